package hostbench

import (
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/dwmon/dwmon/internal/procfs"
)

func TestMain(m *testing.M) {
	Main()
	goleak.VerifyTestMain(m)
}

func newRig(b *testing.B) *Rig {
	r, err := NewRig()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.Close)
	return r
}

// loop measures what a rig does, once it has done it.
func loop(b *testing.B, do func() error) {
	if err := do(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFetch(b *testing.B) {
	r := newRig(b)
	loop(b, func() error { return r.Fetch(b.Context()) })
	reportCPU(b, func(n int) (CPU, error) { return r.FetchCPU(b.Context(), n) })
}

func BenchmarkRawFrame(b *testing.B) {
	r := newRig(b)
	loop(b, r.RawFrame)
	reportCPU(b, r.RawCPU)
}

// reportCPU reports the processor time of both processes, where it can be read.
func reportCPU(b *testing.B, measure func(n int) (CPU, error)) {
	cpu, err := measure(b.N)
	if errors.Is(err, procfs.ErrUnsupported) {
		return
	}
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cpu.Host.Microseconds()), "µs-host/op")
	b.ReportMetric(float64(cpu.Other.Microseconds()), "µs-other/op")
}

func BenchmarkSmallCall(b *testing.B) {
	r := newRig(b)
	loop(b, func() error { return r.SmallCall(b.Context()) })
}

func BenchmarkRawRoundTrip(b *testing.B) {
	r := newRig(b)
	loop(b, r.RawRoundTrip)
}

func BenchmarkStartToReady(b *testing.B) {
	r := newRig(b)
	var seconds float64
	for b.Loop() {
		took, err := r.StartToReady(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		seconds += took.Seconds()
	}
	b.ReportMetric(seconds/float64(b.N)*1e3, "ms/start")
}
