package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Executable is a built plugin, or a bridge with Options.Manifest. Each case
// starts it anew, as the host does, but for the encryption of the connection.
func Executable(path string) Target { return &executable{path: path} }

type executable struct {
	path string
	env  []string
	last *process // the one started last
}

func (t *executable) prepare(o *Options) error {
	abs, err := filepath.Abs(t.path)
	if err != nil {
		return err
	}
	if info, err := os.Stat(abs); err != nil {
		return err
	} else if info.IsDir() {
		return fmt.Errorf("%s is a folder, want the plugin's executable", abs)
	}
	t.path = abs
	for _, kv := range o.Env {
		if !strings.Contains(kv, "=") {
			return fmt.Errorf("Options.Env holds %q: want NAME=value", kv)
		}
	}
	if o.Manifest != "" && !filepath.IsAbs(o.Manifest) {
		return fmt.Errorf("Options.Manifest is %q: want an absolute path", o.Manifest)
	}
	t.env = append(hostEnviron(), o.Env...)
	return nil
}

func (t *executable) said() string {
	if t.last == nil {
		return ""
	}
	return t.last.errs.said("its standard error")
}

func (t *executable) close() {}

// hostEnv is what a host passes on of its own environment.
var hostEnv = []string{
	"PATH", "HOME", "USER", "LANG", "LC_*", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"SYSTEMROOT", "SystemRoot", "TEMP", "TMP",
}

func hostEnviron() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if slices.ContainsFunc(hostEnv, func(p string) bool { ok, _ := path.Match(p, name); return ok }) {
			env = append(env, kv)
		}
	}
	return env
}

func (t *executable) open(ctx context.Context, k *kit) (*session, error) {
	dir, err := newFolder()
	if err != nil {
		return nil, err
	}
	return t.startIn(ctx, k, dir, t.env, false)
}

// newFolder is where one process has its socket and its state: a short name, for
// sockets have no room for long ones.
func newFolder() (string, error) {
	dir, err := os.MkdirTemp("", "dwmon")
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// startIn starts the plugin with its socket below dir, which is removed with it.
func (t *executable) startIn(ctx context.Context, k *kit, dir string, env []string, offline bool) (*session, error) {
	p, err := launch(ctx, t.path, dir, append(env, t.handshakeEnv(k, dir)...), offline)
	t.last = p
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	conn, err := grpc.NewClient("passthrough:///plugin",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, p.network, p.address)
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(pluginsdk.MaxMessageBytes)))
	if err != nil {
		p.destroy()
		return nil, err
	}
	s := newSession(conn)
	s.process, s.state = p, filepath.Join(dir, "state")
	if err := s.readStdio(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (t *executable) handshakeEnv(k *kit, dir string) []string {
	env := []string{
		pluginsdk.CookieKey + "=" + pluginsdk.CookieValue,
		pluginsdk.LifelineEnv + "=1",
		fmt.Sprintf("PLUGIN_PROTOCOL_VERSIONS=%d", pluginsdk.ProtocolVersion),
		"PLUGIN_UNIX_SOCKET_DIR=" + dir,
	}
	if runtime.GOOS == "windows" {
		env = append(env, "PLUGIN_MIN_PORT=0", "PLUGIN_MAX_PORT=1")
	}
	if k.options.Manifest != "" {
		env = append(env, "DWMON_PLUGIN_MANIFEST="+k.options.Manifest)
	}
	return env
}

// readStdio takes what the plugin prints from the connection, as go-plugin's own
// client does: nobody reading would block the plugin.
func (s *session) readStdio() error {
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := s.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/plugin.GRPCStdio/StreamStdio", grpc.WaitForReady(true))
	if err == nil {
		err = errors.Join(stream.SendMsg(&emptypb.Empty{}), stream.CloseSend())
	}
	if err != nil {
		cancel()
		return fmt.Errorf("read what the plugin prints: %w", err)
	}
	s.process.readers.Go(func() {
		defer cancel()
		var chunk emptypb.Empty // its bytes are fields that Empty does not know
		for stream.RecvMsg(&chunk) == nil {
			s.process.printed.Add(int64(len(chunk.ProtoReflect().GetUnknown())))
		}
	})
	return nil
}

// shutDown is what a host says after Drain: go-plugin's own call.
func (s *session) shutDown(ctx context.Context) {
	// The plugin may be gone before it has answered.
	_ = s.conn.Invoke(ctx, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{})
}

// name is what the file's name says that the plugin is called; false for a file
// that is not named as an installed plugin is.
func (t *executable) name() (string, bool) {
	name, ok := strings.CutPrefix(filepath.Base(t.path), pluginsdk.FilePrefix)
	return strings.TrimSuffix(name, ".exe"), ok
}
