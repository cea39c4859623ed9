// Package hostbench measures the way of rows from a plugin's process to the daemon,
// each measure next to the least that the same work can cost: fixed binary frames
// on a plain unix socket between two processes.
//
// The program that makes a Rig is the plugin and the other end of the plain
// socket too: it must call Main before anything else.
package hostbench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/pluginsdk"
)

// Rows is how many rows Fetch and RawFrame carry, KeyBytes the length of each key.
const (
	Rows     = 10_000
	KeyBytes = 24
)

const (
	firstTS = 1_700_000_000_000_000
	rawEnv  = "DWMON_BENCH_SOCKET"
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
const frameBytes = Rows * (KeyBytes + 4 + 8)

func fillFrame(frame []byte) {
	keys, lengths, micros := frame[:Rows*KeyBytes], frame[Rows*KeyBytes:Rows*(KeyBytes+4)], frame[Rows*(KeyBytes+4):]
	for i := range Rows {
		putKey(keys[i*KeyBytes:(i+1)*KeyBytes], i)
		binary.LittleEndian.PutUint32(lengths[i*4:], KeyBytes)
		binary.LittleEndian.PutUint64(micros[i*8:], uint64(firstTS+int64(i)*1e6))
	}
}

// Rig is a host with the fake plugin of Main, and a plain socket beside it. One
// goroutine uses it at a time.
type Rig struct {
	dir    string
	host   *pluginhost.Host
	getter dwmon.RowGetter
	purger dwmon.Purger
	fetch  *dwmon.Checker
	starts int

	raw   net.Conn
	other *exec.Cmd
	frame []byte
	batch dwmon.Batch
}

// NewRig starts the plugin and the other end of the plain socket. The rig must be
// closed.
func NewRig() (_ *Rig, err error) {
	r := &Rig{
		fetch: &dwmon.Checker{Name: "bench", Query: Feed{Rows: Rows, First: firstTS, Every: 1e6}.Query(), Source: "s", Extra: []byte("{}")},
		frame: make([]byte, frameBytes),
		batch: dwmon.Batch{Lengths: make([]uint32, 0, Rows), Micros: make([]int64, 0, Rows)},
	}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	// A short path leaves room for a socket's name.
	if r.dir, err = os.MkdirTemp("", "dwb"); err != nil {
		return nil, err
	}
	if r.host, err = NewHost(r.dir); err != nil {
		return nil, err
	}
	spec := pluginhost.InstanceSpec{Plugin: PluginName}
	r.getter, r.purger = r.host.RowGetter(spec), r.host.Purger(spec)
	return r, r.startRaw()
}

// Close ends both processes.
func (r *Rig) Close() {
	if r.host != nil {
		r.host.Close(context.Background())
	}
	if r.raw != nil {
		_ = r.raw.Close() // ends the other end
	}
	if r.other != nil {
		if r.raw == nil {
			_ = r.other.Process.Kill()
		}
		_ = r.other.Wait()
	}
	if r.dir != "" {
		_ = os.RemoveAll(r.dir)
	}
}

// NewHost is a host whose plugins folder, in dir, holds this program as a plugin.
func NewHost(dir string) (*pluginhost.Host, error) {
	plugins := filepath.Join(dir, "plugins")
	if err := Install(plugins); err != nil {
		return nil, err
	}
	h, err := pluginhost.New(pluginhost.Options{Dir: plugins, RunDir: dir})
	if err != nil {
		return nil, err
	}
	if _, err := h.Plugin(context.Background(), PluginName); err != nil {
		h.Close(context.Background())
		return nil, err
	}
	return h, nil
}

// Install makes a plugins folder that holds this program as a plugin.
func Install(plugins string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Mkdir(plugins, 0o700); err != nil {
		return err
	}
	return install(exe, filepath.Join(plugins, pluginsdk.FilePrefix+PluginName))
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

// startRaw starts the other end of a plain socket and connects to it.
func (r *Rig) startRaw() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	path := filepath.Join(r.dir, "s")
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), rawEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r.other = cmd
	var up [3]byte
	if _, err := io.ReadFull(out, up[:]); err != nil {
		return fmt.Errorf("the other end of the plain socket did not come up: %w", err)
	}
	r.raw, err = net.DialTimeout("unix", path, 5*time.Second)
	return err
}

// Fetch is a fetch of the rows through SDK and host, decoded.
func (r *Rig) Fetch(ctx context.Context) error {
	var rows, sum int64
	s, err := r.getter.GetRows(ctx, dwmon.FetchRequest{RequestID: "r", Checker: r.fetch}, func(b *dwmon.Batch) error {
		rows += int64(b.Rows())
		for _, us := range b.Micros {
			sum += us - firstTS
		}
		return nil
	})
	if err != nil {
		return err
	}
	if rows != Rows || s.Rows != Rows {
		return fmt.Errorf("%d rows came, the summary speaks of %d, want %d", rows, s.Rows, Rows)
	}
	return checkSum(sum)
}

// Allocations is how many allocations a fetch costs the host, over so many.
func (r *Rig) Allocations(ctx context.Context, fetches int) (float64, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range fetches {
		if err := r.Fetch(ctx); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(fetches), nil
}

// RawFrame is the floor of Fetch.
func (r *Rig) RawFrame() error {
	if _, err := r.raw.Write([]byte{'r'}); err != nil {
		return err
	}
	if _, err := io.ReadFull(r.raw, r.frame); err != nil {
		return err
	}
	b := &r.batch
	b.Keys, b.Lengths, b.Micros = r.frame[:Rows*KeyBytes], b.Lengths[:0], b.Micros[:0]
	var sum int64
	for i := range Rows {
		b.Lengths = append(b.Lengths, binary.LittleEndian.Uint32(r.frame[Rows*KeyBytes+i*4:]))
		us := int64(binary.LittleEndian.Uint64(r.frame[Rows*(KeyBytes+4)+i*8:]))
		b.Micros = append(b.Micros, us)
		sum += us - firstTS
	}
	if err := b.Check(); err != nil {
		return err
	}
	return checkSum(sum)
}

func checkSum(sum int64) error {
	if want := int64(Rows) * (Rows - 1) / 2 * 1e6; sum != want {
		return fmt.Errorf("the timestamps add up to %d, want %d", sum, want)
	}
	return nil
}

// SmallCall is one call of a purger.
func (r *Rig) SmallCall(ctx context.Context) error {
	cut, err := r.purger.IdentifyOld(ctx, dwmon.PurgeRequest{Checker: r.fetch})
	if err == nil && cut.Set {
		err = errors.New("the purger that keeps everything named a cut-off")
	}
	return err
}

// RawRoundTrip is the floor of SmallCall.
func (r *Rig) RawRoundTrip() error {
	one := [1]byte{'x'}
	if _, err := r.raw.Write(one[:]); err != nil {
		return err
	}
	_, err := io.ReadFull(r.raw, one[:])
	return err
}

// StartToReady starts one more process of the plugin, with TLS, and gives how long
// it took to the end of its first call.
func (r *Rig) StartToReady(ctx context.Context) (time.Duration, error) {
	r.starts++
	spec := pluginhost.InstanceSpec{Plugin: PluginName, Settings: fmt.Appendf(nil, `{"n":%d}`, r.starts)}
	start := time.Now()
	_, err := r.host.Purger(spec).IdentifyOld(ctx, dwmon.PurgeRequest{Checker: r.fetch})
	took := time.Since(start)
	if err == nil { // stop it, and nothing else
		r.host.Keep(ctx, []pluginhost.InstanceSpec{{Plugin: PluginName}})
	}
	return took, err
}
