// Package hostbench measures the way of rows from a plugin's process to the daemon,
// each measure next to the least that the same work can cost: fixed binary frames
// on a plain unix socket between two processes. The bodies are ordinary benchmarks,
// for `go test -bench` and for a program that prints their ratios.
//
// The program that runs them is the plugin and the other end of the plain socket
// too: it must call Main before anything else.
package hostbench

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/pluginsdk"
)

const (
	rows     = 10_000
	keyBytes = 24
	firstTS  = 1_700_000_000_000_000

	pluginName = "bench"
	rawEnv     = "DWMON_BENCH_SOCKET"
)

// Main turns a process that was started as the plugin, or as the other end of the
// plain socket, into it, and then does not return.
func Main() {
	if path := os.Getenv(rawEnv); path != "" {
		serveRaw(path)
		os.Exit(0)
	}
	if strings.HasPrefix(filepath.Base(os.Args[0]), pluginsdk.FilePrefix) {
		servePlugin()
	}
}

func servePlugin() {
	var settings struct {
		N int `json:"n"` // tells instances apart
	}
	pluginsdk.Serve(pluginsdk.Plugin{
		Name: pluginName, Version: "0.0.1", Settings: &settings,
		RowGetter: pluginsdk.RowGetterFunc(func(_ context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
			n, err := strconv.Atoi(q.Text)
			if err != nil {
				return err
			}
			key := make([]byte, keyBytes)
			for i := range n {
				putKey(key, i)
				if err := out.AppendBytes(key, firstTS+int64(i)*1e6); err != nil {
					return err
				}
			}
			return nil
		}),
		Purger: pluginsdk.PurgerFunc(func(context.Context, pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
			return pluginsdk.Keep(), nil
		}),
	})
}

// putKey writes "key-" and twenty digits.
func putKey(key []byte, i int) {
	copy(key, "key-00000000000000000000")
	for at := len(key) - 1; i > 0; at-- {
		key[at] = byte('0' + i%10)
		i /= 10
	}
}

// serveRaw answers each byte: 'r' with the rows as one frame, anything else with
// one byte.
func serveRaw(path string) {
	l, err := net.Listen("unix", path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("up")
	conn, err := l.Accept()
	if err != nil {
		os.Exit(1)
	}
	frame := make([]byte, frameBytes)
	var req [1]byte
	for {
		if _, err := io.ReadFull(conn, req[:]); err != nil {
			return
		}
		reply := req[:]
		if req[0] == 'r' {
			fillFrame(frame)
			reply = frame
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}

// A frame is the keys, their lengths (32 bits) and the timestamps (64 bits).
const frameBytes = rows * (keyBytes + 4 + 8)

func fillFrame(frame []byte) {
	keys, lengths, micros := frame[:rows*keyBytes], frame[rows*keyBytes:rows*(keyBytes+4)], frame[rows*(keyBytes+4):]
	for i := range rows {
		putKey(keys[i*keyBytes:(i+1)*keyBytes], i)
		binary.LittleEndian.PutUint32(lengths[i*4:], keyBytes)
		binary.LittleEndian.PutUint64(micros[i*8:], uint64(firstTS+int64(i)*1e6))
	}
}

// Fetch10k is a fetch of 10,000 rows through SDK and host, decoded. Its
// allocations are those of the host alone.
func Fetch10k(b *testing.B) {
	g := newHost(b).RowGetter(pluginhost.InstanceSpec{Plugin: pluginName})
	c := &dwmon.Checker{Name: "bench", Query: strconv.Itoa(rows), Source: "s", Extra: []byte("{}")}
	var sum int64
	fetch := func() {
		n := 0
		sum = 0
		s, err := g.GetRows(b.Context(), dwmon.FetchRequest{RequestID: "r", Checker: c}, func(batch *dwmon.Batch) error {
			n += batch.Rows()
			for _, us := range batch.Micros {
				sum += us - firstTS
			}
			return nil
		})
		if err != nil || n != rows || s.Rows != rows {
			b.Fatalf("%d rows, %v", n, err)
		}
	}
	fetch()
	b.ReportAllocs()
	for b.Loop() {
		fetch()
	}
	checkSum(b, sum)
}

// RawFrame10k is the floor of Fetch10k.
func RawFrame10k(b *testing.B) {
	conn := newRaw(b)
	frame := make([]byte, frameBytes)
	batch := dwmon.Batch{Lengths: make([]uint32, 0, rows), Micros: make([]int64, 0, rows)}
	var sum int64
	for b.Loop() {
		if _, err := conn.Write([]byte{'r'}); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, frame); err != nil {
			b.Fatal(err)
		}
		batch.Keys, batch.Lengths, batch.Micros = frame[:rows*keyBytes], batch.Lengths[:0], batch.Micros[:0]
		sum = 0
		for i := range rows {
			batch.Lengths = append(batch.Lengths, binary.LittleEndian.Uint32(frame[rows*keyBytes+i*4:]))
			us := int64(binary.LittleEndian.Uint64(frame[rows*(keyBytes+4)+i*8:]))
			batch.Micros = append(batch.Micros, us)
			sum += us - firstTS
		}
		if err := batch.Check(); err != nil {
			b.Fatal(err)
		}
	}
	checkSum(b, sum)
}

func checkSum(b *testing.B, sum int64) {
	if want := int64(rows) * (rows - 1) / 2 * 1e6; sum != want {
		b.Fatalf("the timestamps add up to %d, want %d", sum, want)
	}
}

// SmallCall is one call of a purger.
func SmallCall(b *testing.B) {
	p := newHost(b).Purger(pluginhost.InstanceSpec{Plugin: pluginName})
	c := &dwmon.Checker{Name: "bench", Extra: []byte("{}")}
	call := func() {
		if cut, err := p.IdentifyOld(b.Context(), dwmon.PurgeRequest{Checker: c}); err != nil || cut.Set {
			b.Fatal(cut, err)
		}
	}
	call()
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}

// RawRoundTrip is the floor of SmallCall.
func RawRoundTrip(b *testing.B) {
	conn := newRaw(b)
	var one [1]byte
	for b.Loop() {
		one[0] = 'x'
		if _, err := conn.Write(one[:]); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, one[:]); err != nil {
			b.Fatal(err)
		}
	}
}

// StartToReady is the start of a process with TLS, to the end of its first call.
func StartToReady(b *testing.B) {
	h := newHost(b)
	c := &dwmon.Checker{Name: "bench", Extra: []byte("{}")}
	n := 0
	for b.Loop() {
		n++
		spec := pluginhost.InstanceSpec{Plugin: pluginName, Settings: fmt.Appendf(nil, `{"n":%d}`, n)}
		if _, err := h.Purger(spec).IdentifyOld(b.Context(), dwmon.PurgeRequest{Checker: c}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		h.Keep(b.Context(), nil)
		b.StartTimer()
	}
}

// newHost is a host on a folder that holds this program as a plugin.
func newHost(b *testing.B) *pluginhost.Host {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	dir := shortDir(b)
	plugins := filepath.Join(dir, "plugins")
	if err := os.Mkdir(plugins, 0o700); err != nil {
		b.Fatal(err)
	}
	if err := install(exe, filepath.Join(plugins, pluginsdk.FilePrefix+pluginName)); err != nil {
		b.Fatal(err)
	}
	h, err := pluginhost.New(pluginhost.Options{Dir: plugins, RunDir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Close(context.Background()) })
	if _, err := h.Plugin(b.Context(), pluginName); err != nil {
		b.Fatal(err)
	}
	return h
}

// install links or copies a program.
func install(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o700)
}

// shortDir is a folder whose path leaves room for a socket's name.
func shortDir(b *testing.B) string {
	dir, err := os.MkdirTemp("", "dwb")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// newRaw starts the other end of a plain socket and connects to it.
func newRaw(b *testing.B) net.Conn {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(shortDir(b), "s")
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), rawEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	var up [3]byte
	if _, err := io.ReadFull(out, up[:]); err != nil {
		b.Fatal(err)
	}
	conn, err := net.DialTimeout("unix", path, 5*time.Second)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = conn.Close() // ends the other end
		_ = cmd.Wait()
	})
	return conn
}
