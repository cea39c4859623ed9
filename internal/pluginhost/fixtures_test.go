package pluginhost

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"

	"github.com/dwmon/dwmon/pluginsdk"
)

// TestMain makes the test binary act as every other program of these tests: as the
// guard, as a daemon that is killed, as a grandchild, and as each plugin, which it
// knows by the name that it was linked under.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("DWMON_GUARD") == "1":
		GuardMain()
		return
	case os.Getenv("DWMON_TEST_HOST") != "":
		hostMain(os.Getenv("DWMON_TEST_HOST"))
		return
	case len(os.Args) > 1 && os.Args[1] == "sleeper":
		time.Sleep(time.Hour)
		return
	case len(os.Args) > 1 && (os.Args[1] == "orphan" || os.Args[1] == "leaker"):
		actApart(os.Args[1:])
		return
	}
	if name, ok := strings.CutPrefix(filepath.Base(os.Args[0]), pluginsdk.FilePrefix); ok {
		name, _, _ = strings.Cut(name, ".")
		if serve := sdkFixtures[name]; serve != nil {
			serve(name)
		}
		os.Stdout = os.NewFile(1, "stdout") // the SDK has put standard error in its place
		if serve := fixtures[name]; serve != nil {
			serve(name)
		}
		fmt.Fprintln(os.Stderr, "no such fixture:", name)
		os.Exit(1)
	}
	// The thread that starts children is there to stay.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/dwmon/dwmon/internal/pluginhost.init.func1.1"))
}

// fixtures are the plugins by name. Those of one kind that differ only in name are
// there so that a test can have several.
var sdkFixtures, fixtures map[string]func(name string)

func init() {
	sdkFixtures = map[string]func(string){
		"good":    serveGood,
		"other":   serveGood,
		"bad":     serveGood,
		"leaky":   serveGood,
		"handler": serveHandlerOnly,
		"liar":    func(string) { serveGood("somebody-else") },
	}
	fixtures = map[string]func(string){
		"raw":            serveRaw,
		"no-kind":        serveRaw,
		"bad-semver":     serveRaw,
		"crash-describe": serveRaw,
		"hang-describe":  serveRaw,
		"not-ours":       serveForeign,
		"silent":         func(string) { os.Exit(0) },
		"dies":           func(string) { fmt.Fprintln(os.Stderr, "panic: cannot go on"); os.Exit(7) },
		"junk":           func(string) { fmt.Println("Loading configuration..."); time.Sleep(time.Minute) },
		"junk-secret":    serveJunkSecret,
		"long-junk":      func(string) { fmt.Print(strings.Repeat("x", 1<<20)); time.Sleep(time.Minute) },
		"hang":           func(string) { time.Sleep(time.Minute) },
		"deaf":           serveDeaf,
		"protocol2":      func(string) { fmt.Println("1|2|unix|/nowhere|grpc|"); time.Sleep(time.Minute) },
		"netrpc":         func(string) { fmt.Println("1|1|unix|/nowhere|netrpc|"); time.Sleep(time.Minute) },
		"elsewhere":      func(string) { fmt.Println("1|1|tcp|127.0.0.1:1|grpc|"); time.Sleep(time.Minute) },
	}
}

// settings of the good plugin.
type goodSettings struct {
	Word    string `json:"word"`
	Refuse  string `json:"refuse"`   // the set-up fails with it
	DieFile string `json:"die_file"` // the set-up exits where the file exists
}

// serveGood is a plugin that does what its query says, in each kind.
func serveGood(name string) {
	cfg := goodSettings{}
	pluginsdk.Serve(pluginsdk.Plugin{
		Name: name, Version: "1.2.3", Summary: "does as it is told", Settings: &cfg, Sources: []string{"told"},
		Statuses: []pluginsdk.Status{pluginsdk.Good, pluginsdk.Bad, pluginsdk.Unknown}, DefaultOn: pluginsdk.OnChange,
		Limits: pluginsdk.Limits{GetRows: 4},
		Setup: func(context.Context) error {
			if cfg.Refuse != "" {
				return pluginsdk.ConfigError(errors.New(cfg.Refuse))
			}
			if _, err := os.Stat(cfg.DieFile); cfg.DieFile != "" && err == nil {
				os.Exit(9)
			}
			return nil
		},
		RowGetter: pluginsdk.RowGetterFunc(func(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
			return obey(ctx, q, out, cfg)
		}),
		CheckHandler: pluginsdk.CheckHandlerFunc(handle),
		Purger: pluginsdk.PurgerFunc(func(_ context.Context, in pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
			if in.Newest.IsZero() {
				return pluginsdk.Keep(), nil
			}
			return pluginsdk.DeleteOlderThan(in.Newest.Add(-time.Hour)).Because("an hour is enough"), nil
		}),
	})
}

func serveHandlerOnly(name string) {
	pluginsdk.Serve(pluginsdk.Plugin{
		Name: name, Version: "0.1.0", CheckHandler: pluginsdk.CheckHandlerFunc(handle),
	})
}

// handle writes what it was told to the file that EXTRA names.
func handle(ctx context.Context, ev pluginsdk.CheckEvent) error {
	var extra struct{ Fail, File string }
	if err := ev.Extra(&extra); err != nil {
		return err
	}
	switch extra.Fail {
	case "never":
		return pluginsdk.Permanent(errors.New("the receiver says no"))
	case "later":
		return pluginsdk.Retryable(errors.New("the receiver is busy"), 7*time.Second)
	case "plain":
		return errors.New("it did not work")
	case "credentials":
		return pluginsdk.CredentialsError(errors.New("wrong token"))
	case "crash":
		os.Exit(3)
	case "wait":
		<-ctx.Done()
		return ctx.Err()
	}
	text, err := json.Marshal(ev.Result)
	if err != nil {
		return err
	}
	return os.WriteFile(extra.File, text, 0o600)
}

var refusals atomic.Int64

// obey does what the query says.
func obey(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink, cfg goodSettings) error {
	words := strings.Fields(q.Text)
	if misdeed := misdeeds[words[0]]; misdeed != nil {
		return misdeed(ctx, out, words)
	}
	switch words[0] {
	case "rows": // rows N: keys of 24 bytes
		return sendRows(out, number(words[1]))
	case "word":
		return out.AppendMicros(cfg.Word, 1)
	case "pid":
		return out.AppendMicros(strconv.Itoa(os.Getpid()), 1)
	case "env":
		for _, kv := range os.Environ() {
			if err := out.AppendMicros(kv, 1); err != nil {
				return err
			}
		}
		return nil
	case "cut":
		out.MarkTruncated()
		out.SkipNull()
		out.Warn("only a part")
		out.DataAsOf(time.UnixMicro(77))
		return sendRows(out, 3)
	case "busy": // busy N: unavailable N times, then one row
		if refusals.Add(1) <= int64(number(words[1])) {
			return pluginsdk.Retryable(errors.New("come again"), 20*time.Millisecond)
		}
		refusals.Store(0)
		return sendRows(out, 1)
	case "fail":
		return failures[words[1]]
	case "panic":
		panic("boom")
	case "panic-with-word": // it tells its secret on the way
		fmt.Fprintln(os.Stderr, "about to panic with", cfg.Word)
		go panic("boom with " + cfg.Word)
		<-ctx.Done()
		return ctx.Err()
	case "crash": // crash N: after N rows, from outside the call
		if err := sendRows(out, number(words[1])); err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond) // the batch is on its way
		go panic("kaboom")
		<-ctx.Done()
		return ctx.Err()
	case "wait": // wait FILE: until cancelled, then write the file
		if len(words) > 1 {
			defer os.WriteFile(words[1], []byte("cancelled"), 0o600)
		}
		<-ctx.Done()
		return ctx.Err()
	case "sleep":
		time.Sleep(time.Duration(number(words[1])) * time.Millisecond)
		return sendRows(out, 1)
	case "freeze":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		<-ctx.Done()
		return ctx.Err()
	case "grandchild": // grandchild setsid|group: it holds our standard error
		return grandchild(out, words[1] == "setsid")
	case "log":
		return logLines(out, words[1])
	case "print":
		fmt.Println("printed by mistake")
		return sendRows(out, 1)
	}
	return fmt.Errorf("what is %q?", q.Text)
}

var failures = map[string]error{
	"plain":       errors.New("it did not work"),
	"config":      pluginsdk.ConfigError(errors.New("no database is set")),
	"checker":     pluginsdk.CheckerError(errors.New("syntax error at hunter2")),
	"credentials": pluginsdk.CredentialsError(errors.New("wrong password")),
	"network":     &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
}

func number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		panic(err)
	}
	return n
}

func sendRows(out pluginsdk.RowSink, n int) error {
	key := make([]byte, 0, 24)
	for i := range n {
		key = fmt.Appendf(key[:0], "key-%020d", i)
		if err := out.AppendBytes(key, 1_700_000_000_000_000+int64(i)*1_000_000); err != nil {
			return err
		}
	}
	return nil
}

func grandchild(out pluginsdk.RowSink, setsid bool) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe, "sleeper")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: setsid}
	// The original standard error, not the pipe that go-plugin puts in its place.
	if f, err := os.OpenFile("/proc/self/fd/2", os.O_WRONLY, 0); err == nil {
		cmd.Stderr = f
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	return out.AppendMicros(strconv.Itoa(cmd.Process.Pid), 1)
}

// logLines writes to file descriptor 2 as any library might.
func logLines(out pluginsdk.RowSink, what string) error {
	var text string
	switch what {
	case "long":
		text = strings.Repeat("y", 1<<20) + "\n"
	case "odd":
		text = `{"@message":1}` + "\n" + `{"@level":"warn","@message":"from hclog","n":1,"a":"b"}` + "\n" + "[ERROR] plain\n" + "\xff\xfe raw\n"
	case "secret":
		text = "password is hunter2\n"
	case "flood":
		text = strings.Repeat("again\n", 5000)
	}
	for len(text) > 0 {
		n, err := syscall.Write(2, []byte(text))
		if err != nil {
			return err
		}
		text = text[n:]
	}
	return sendRows(out, 1)
}

// serveDeaf shakes hands and never accepts a connection.
func serveDeaf(string) {
	path := filepath.Join(os.Getenv(plugin.EnvUnixSocketDir), "deaf")
	if _, err := net.Listen("unix", path); err != nil {
		panic(err)
	}
	fmt.Printf("1|1|unix|%s|grpc|\n", path)
	time.Sleep(time.Minute)
}

// raw is a plugin without the SDK, so that it can break every rule.
type raw struct {
	plugin.NetRPCUnsupportedPlugin
	pluginv1.UnimplementedPluginServiceServer
	pluginv1.UnimplementedRowGetterServiceServer
	name string
	none bool // serve nothing of ours
}

func serveRaw(name string) { serveWith(&raw{name: name}) }

func serveForeign(name string) { serveWith(&raw{name: name, none: true}) }

func serveWith(r *raw) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: pluginsdk.CookieKey, MagicCookieValue: pluginsdk.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{1: {pluginsdk.DispenseName: r}},
		GRPCServer:       plugin.DefaultGRPCServer,
	})
	os.Exit(0)
}

func (r *raw) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if !r.none {
		pluginv1.RegisterPluginServiceServer(s, r)
		pluginv1.RegisterRowGetterServiceServer(s, r)
	}
	return nil
}

func (r *raw) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("not a host")
}

func (r *raw) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	d := &pluginv1.DescribeResponse{Name: r.name, Version: "1.0.0", RowGetter: &pluginv1.RowGetterInfo{}}
	switch r.name {
	case "no-kind":
		d.RowGetter = nil
	case "bad-semver":
		d.Version = "one"
	case "crash-describe":
		_, _ = syscall.Write(2, []byte("fatal error: describe is too hard\n"))
		os.Exit(4)
	case "hang-describe":
		time.Sleep(time.Minute)
	}
	return d, nil
}

func (r *raw) Configure(context.Context, *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	return &pluginv1.ConfigureResponse{}, nil
}

func batch(keys string, lengths []uint32, micros ...int64) *pluginv1.GetRowsResponse {
	return &pluginv1.GetRowsResponse{Event: &pluginv1.GetRowsResponse_Batch{Batch: &pluginv1.RowBatch{Keys: []byte(keys), KeyLengths: lengths, TimestampsUs: micros}}}
}

func summary(n uint64) *pluginv1.GetRowsResponse {
	return &pluginv1.GetRowsResponse{Event: &pluginv1.GetRowsResponse_Summary{Summary: &pluginv1.RowsSummary{RowsSent: n}}}
}

func (r *raw) GetRows(req *pluginv1.GetRowsRequest, s pluginv1.RowGetterService_GetRowsServer) error {
	one := batch("ab", []uint32{1, 1}, 5, 6)
	script := map[string][]*pluginv1.GetRowsResponse{
		"right":           {one, one, summary(4)},
		"empty":           {summary(0)},
		"no summary":      {one},
		"nothing":         nil,
		"lying summary":   {one, summary(3)},
		"two summaries":   {one, summary(2), summary(2)},
		"rows after":      {one, summary(2), one},
		"few timestamps":  {batch("ab", []uint32{1, 1}, 5), summary(2)},
		"few lengths":     {batch("ab", []uint32{1}, 5, 6), summary(2)},
		"short keys":      {batch("a", []uint32{1, 1}, 5, 6), summary(2)},
		"long keys":       {batch("abc", []uint32{1, 1}, 5, 6), summary(2)},
		"huge length":     {batch("ab", []uint32{1<<32 - 1, 3}, 5, 6), summary(2)},
		"empty event":     {one, {}, summary(2)},
		"too many rows":   {batch("", make([]uint32, 1025), make([]int64, 1025)...), summary(1025)},
		"too many bytes":  {batch(strings.Repeat("k", 2<<20), []uint32{1 << 20, 1 << 20}, 1, 2), summary(2)},
		"too large":       {batch(strings.Repeat("k", 17<<20), []uint32{1 << 20}, 1), summary(1)},
		"half and failed": {one},
	}
	if req.GetQuery() == "endless" {
		for {
			if err := s.Send(one); err != nil {
				return err
			}
		}
	}
	for _, m := range script[req.GetQuery()] {
		if err := s.Send(m); err != nil {
			return err
		}
	}
	if req.GetQuery() == "half and failed" {
		return status.Error(codes.Unavailable, "the source went away")
	}
	return nil
}

// hostMain is a daemon for the tests that kill it: it starts a plugin with a
// grandchild and prints the processes' numbers.
func hostMain(dir string) {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	opt := Options{Dir: filepath.Join(dir, "plugins"), RunDir: filepath.Join(dir, "run")}
	if os.Getenv("DWMON_TEST_GUARD") == "1" {
		opt.GuardCommand = []string{exe}
	}
	h, err := New(opt)
	if err != nil {
		panic(err)
	}
	g := h.RowGetter(InstanceSpec{Plugin: "good"})
	for _, query := range []string{"pid", "grandchild group", "grandchild setsid"} {
		keys, err := fetchKeys(context.Background(), g, query)
		if err != nil {
			panic(err)
		}
		fmt.Println(keys[0])
	}
	fmt.Println("up")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	h.Close(context.Background())
}
