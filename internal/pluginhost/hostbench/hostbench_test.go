package hostbench

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

func BenchmarkFetch10k(b *testing.B)     { Fetch10k(b) }
func BenchmarkRawFrame10k(b *testing.B)  { RawFrame10k(b) }
func BenchmarkSmallCall(b *testing.B)    { SmallCall(b) }
func BenchmarkRawRoundTrip(b *testing.B) { RawRoundTrip(b) }
func BenchmarkStartToReady(b *testing.B) { StartToReady(b) }
