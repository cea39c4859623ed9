//go:build unix

package pluginsdk_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
)

// actAs makes the test binary act as a plugin.
const actAs = "SDK_TEST_ACT_AS"

func TestMain(m *testing.M) {
	switch os.Getenv(actAs) {
	case "":
	case "child":
		<-time.After(time.Hour) // a bare select would be reported as a deadlock
	default:
		// A line before the handshake, as a careless library prints it.
		fmt.Println("starting up")
		os.Args = append([]string{"dwmon-plugin-fixture"}, os.Args[1:]...)
		pluginsdk.Serve(fixture())
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		code = 1
	}
	os.Exit(code)
}

// fixture is the plugin of the process tests; the query says how it behaves.
func fixture() pluginsdk.Plugin {
	var cfg struct {
		Mark string `json:"mark" env:"SDK_TEST_MARK" doc:"a file that Shutdown writes"`
	}
	return pluginsdk.Plugin{
		Name: "fixture", Version: "0.1.0", Summary: "for tests", Settings: &cfg,
		Shutdown: func(context.Context) error {
			if cfg.Mark == "" {
				return nil
			}
			return os.WriteFile(cfg.Mark, []byte("shut down"), 0o600)
		},
		RowGetter: pluginsdk.RowGetterFunc(func(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
			switch q.Text {
			case "print":
				noise := bytes.Repeat([]byte("x"), 1<<20)
				os.Stdout.Write(noise)
				os.Stderr.Write(noise)
			case "log":
				pluginsdk.Logger(ctx).Warn("hello", "n", 1)
				slog.Info("from slog")
			case "environment":
				return out.AppendMicros(os.Getenv(pluginsdk.CookieKey)+os.Getenv(pluginsdk.LifelineEnv), 1)
			case "wait":
				if err := out.AppendMicros("begun", 1); err != nil {
					return err
				}
				<-ctx.Done()
				return ctx.Err()
			case "child":
				// It holds the real standard error, so that whoever reads that sees its end.
				self, err := os.Executable()
				if err != nil {
					return err
				}
				cmd := exec.Command(self)
				cmd.Env = append(os.Environ(), actAs+"=child")
				cmd.Stderr = os.NewFile(2, "stderr")
				if err := cmd.Start(); err != nil {
					return err
				}
				go func() { _ = cmd.Wait() }()
			case "stuck":
				if err := out.AppendMicros("begun", 1); err != nil {
					return err
				}
				select {}
			}
			return out.AppendMicros("k", 1)
		}),
	}
}

// process is the fixture, started as a host does it.
type process struct {
	cmd    *exec.Cmd
	client *goplugin.Client
	clients
	lifeline io.Closer
	stderr   *syncBuffer
	socket   string        // the folder
	done     chan struct{} // closed when the process is reaped
}

// syncBuffer may be read while a process writes to it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

type raw struct{}

func (raw) Server(*goplugin.MuxBroker) (any, error) { return nil, errors.New("gRPC only") }
func (raw) Client(*goplugin.MuxBroker, *rpc.Client) (any, error) {
	return nil, errors.New("gRPC only")
}
func (raw) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error { return nil }
func (raw) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

func start(t *testing.T, env ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Unix sockets have short names: t.TempDir may be too deep.
	dir, err := os.MkdirTemp("", "sdk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &process{cmd: exec.Command(self), stderr: &syncBuffer{}, socket: dir, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), append(env, actAs+"=1", pluginsdk.CookieKey+"="+pluginsdk.CookieValue,
		"PLUGIN_PROTOCOL_VERSIONS=1", pluginsdk.LifelineEnv+"=1", goplugin.EnvUnixSocketDir+"="+dir)...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = p.stderr
	if p.lifeline, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	handshake, err := bufio.NewReader(stdout).ReadString('\n')
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // the group: its children hold standard error
		<-p.done
	})
	fields := strings.Split(strings.TrimSpace(handshake), "|")
	if err != nil || len(fields) < 5 || fields[0] != "1" || fields[1] != "1" || fields[2] != "unix" || fields[4] != "grpc" {
		t.Fatalf("the first line on stdout is %q: %v\n%s", handshake, err, p.stderr)
	}
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: pluginsdk.CookieKey, MagicCookieValue: pluginsdk.CookieValue},
		Plugins:          goplugin.PluginSet{pluginsdk.DispenseName: raw{}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		Reattach: &goplugin.ReattachConfig{
			Protocol: goplugin.ProtocolGRPC, ProtocolVersion: pluginsdk.ProtocolVersion, Pid: p.cmd.Process.Pid,
			Addr: &net.UnixAddr{Net: "unix", Name: fields[3]},
		},
		Logger: hclog.NewNullLogger(), SyncStdout: io.Discard, SyncStderr: io.Discard,
	})
	t.Cleanup(p.client.Kill)
	protocol, err := p.client.Client()
	if err != nil {
		t.Fatal(err, p.stderr)
	}
	conn, err := protocol.Dispense(pluginsdk.DispenseName)
	if err != nil {
		t.Fatal(err)
	}
	cc := conn.(*grpc.ClientConn)
	p.clients = clients{
		pluginv1.NewPluginServiceClient(cc), pluginv1.NewRowGetterServiceClient(cc),
		pluginv1.NewCheckHandlerServiceClient(cc), pluginv1.NewPurgerServiceClient(cc),
	}
	return p
}

func (p *process) configure(t *testing.T) (mark string) {
	t.Helper()
	mark = filepath.Join(t.TempDir(), "mark")
	settings, _ := json.Marshal(map[string]string{"mark": mark})
	resp, err := p.base.Configure(t.Context(), &pluginv1.ConfigureRequest{SettingsJson: settings})
	if err != nil || len(resp.Diagnostics) > 0 {
		t.Fatal(resp, err)
	}
	return mark
}

// begin starts a fetch and returns when it runs.
func (p *process) begin(t *testing.T, query string) grpc.ServerStreamingClient[pluginv1.GetRowsResponse] {
	t.Helper()
	stream, err := p.rows.GetRows(t.Context(), &pluginv1.GetRowsRequest{Query: query})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	return stream
}

// ended waits for the exit and checks what must hold at every wanted one.
func (p *process) ended(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		t.Fatalf("the plugin still runs after %v", within)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%v\n%s", p.cmd.ProcessState, p.stderr)
	}
	if left, _ := os.ReadDir(p.socket); len(left) > 0 {
		t.Errorf("the socket was left: %v", left)
	}
}

func TestProcess(t *testing.T) {
	p := start(t)
	p.configure(t)
	if d, err := p.base.Describe(t.Context(), &pluginv1.DescribeRequest{}); err != nil || d.Name != "fixture" {
		t.Fatal(d, err)
	}
	for _, query := range []string{"print", "log", "plain"} {
		if n, sum, err := p.fetch(t.Context(), &pluginv1.GetRowsRequest{RequestId: "r1", Query: query, Checker: &pluginv1.CheckerRef{Name: "a/b"}}); n != 1 || sum == nil || err != nil {
			t.Fatal(query, n, err)
		}
	}
	stream, err := p.rows.GetRows(t.Context(), &pluginv1.GetRowsRequest{Query: "environment"})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.Recv(); err != nil || len(m.GetBatch().GetKeys()) != 0 {
		t.Errorf("programs started by the plugin would see %q, %v", m.GetBatch().GetKeys(), err)
	}
	p.client.Kill()
	p.ended(t, 5*time.Second)
	checkLog(t, p.stderr.String())
}

// checkLog looks for what the fixture has said in the right form.
func checkLog(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(text, "starting up\n") {
		t.Errorf("what was printed before the handshake is lost: %s", text)
	}
	found := map[string]bool{}
	for line := range strings.Lines(text) {
		var rec struct {
			Time      time.Time `json:"time"`
			Level     string    `json:"level"`
			Msg       string    `json:"msg"`
			RequestID string    `json:"request_id"`
			Checker   string    `json:"checker"`
		}
		if json.Unmarshal([]byte(line), &rec) == nil && !rec.Time.IsZero() {
			found[strings.Join([]string{rec.Level, rec.Msg, rec.RequestID, rec.Checker}, " ")] = true
		}
	}
	for _, want := range []string{"WARN hello r1 a/b", "INFO from slog  "} {
		if !found[want] {
			t.Errorf("the log lacks %q:\n%s", want, text)
		}
	}
}

func TestTerminationDrains(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *process){
		"SIGTERM":  func(_ *testing.T, p *process) { _ = p.cmd.Process.Signal(syscall.SIGTERM) },
		"lifeline": func(_ *testing.T, p *process) { _ = p.lifeline.Close() },
		"Drain": func(t *testing.T, p *process) {
			if _, err := p.base.Drain(t.Context(), &pluginv1.DrainRequest{Grace: durationpb.New(10 * time.Millisecond)}); err != nil {
				t.Error(err)
			}
			p.client.Kill()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			mark := p.configure(t)
			p.begin(t, "wait")
			// Ctrl-C reaches the whole group; the host decides.
			_ = p.cmd.Process.Signal(os.Interrupt)
			end(t, p)
			p.ended(t, 5*time.Second)
			if text, err := os.ReadFile(mark); string(text) != "shut down" {
				t.Errorf("Shutdown did not run: %v", err)
			}
		})
	}
}

func TestALostHostEndsWhatThePluginHasStarted(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.configure(t)
	p.begin(t, "child")
	_ = p.lifeline.Close()
	// Wait returns when nobody holds standard error any more: the child is gone.
	p.ended(t, 5*time.Second)
}

func TestAStuckCallDoesNotKeepTheProcess(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.configure(t)
	p.begin(t, "stuck")
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.ended(t, 6*time.Second)
}

// byHand runs the fixture without a host.
func byHand(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), actAs+"=1")
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(out.String(), "starting up\n"), errs.String(), cmd.ProcessState.ExitCode()
}

func TestByHand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args           []string
		stdout, stderr string // the beginning
		code           int
	}{
		{nil, "", "fixture is a plugin of dwmon (row_getter); dwmon starts it.\n\nInstall it:  put it into the plugins folder as dwmon-plugin-fixture\n" +
			"Look at it:  dwmon plugin list\nTry it:      dwmon plugin test ", 64},
		{[]string{"--version"}, "dwmon-plugin-fixture 0.1.0\n", "", 0},
		{[]string{"describe"}, "fixture 0.1.0: for tests\n\nkinds      row_getter\n", "", 0},
		{[]string{"describe", "--json"}, "{\n  \"name\": \"fixture\",\n", "", 0},
		{[]string{"--help"}, "fixture is a plugin", "", 0},
		{[]string{"--nope"}, "", "dwmon-plugin-fixture does not know these arguments", 64},
	} {
		out, errs, code := byHand(t, c.args...)
		if code != c.code || !strings.HasPrefix(out, c.stdout) || !strings.HasPrefix(errs, c.stderr) {
			t.Errorf("%v: exit %d\n%s\n%s", c.args, code, out, errs)
		}
		if c.code == 0 && errs != "" {
			t.Errorf("%v: %s", c.args, errs)
		}
	}
	out, _, _ := byHand(t, "describe", "--json")
	var d struct {
		Kinds    []string        `json:"kinds"`
		Settings json.RawMessage `json:"settings_schema"`
		Env      []struct {
			Name string `json:"name"`
		} `json:"env"`
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil || len(d.Kinds) != 1 || len(d.Env) != 1 || d.Env[0].Name != "SDK_TEST_MARK" ||
		!strings.Contains(string(d.Settings), "mark") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestDebugPrintsHowToAttach(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "--debug")
	cmd.Env = append(os.Environ(), actAs+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var attach map[string]struct {
		Network, Addr string
		Pid, Protocol int
	}
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "DWMON_ATTACH_PLUGINS='"); ok {
			if err := json.Unmarshal([]byte(strings.TrimSuffix(text, "'")), &attach); err != nil {
				t.Error(err)
			}
			break
		}
	}
	a := attach["fixture"]
	if a.Network != "unix" || a.Addr == "" || a.Pid != cmd.Process.Pid || a.Protocol != 1 {
		t.Errorf("%+v", attach)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(a.Addr); err == nil {
		t.Error("the socket was left")
	}
}
