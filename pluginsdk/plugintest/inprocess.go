package plugintest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/pprof"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/internal/hook"
	"github.com/dwmon/dwmon/pluginsdk/wire"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// InProcess is a plugin that runs within this process: one instance, configured
// once and drained at the end, as a process would be.
func InProcess(p pluginsdk.Plugin) Target {
	faults := newFaults()
	t := &inProcess{faults: faults}
	t.register = func(r grpc.ServiceRegistrar) error {
		return hook.Register(r, faults.instrument(p), slog.New(slog.NewTextHandler(&t.log, nil)))
	}
	return t
}

// inProcess serves whatever register registers. A wrong plugin of the kit's own
// tests need not be a pluginsdk.Plugin.
type inProcess struct {
	register func(grpc.ServiceRegistrar) error
	faults   *faults
	log      tail

	session *session
	server  *grpc.Server
	served  chan error
}

func (t *inProcess) prepare(o *Options) error {
	if len(o.Env) > 0 || o.Manifest != "" {
		return errors.New("Options.Env and Options.Manifest are for executables; in process use testing's Setenv")
	}
	lis := bufconn.Listen(256 << 10)
	t.server = grpc.NewServer(wire.ServerOptions()...)
	if err := t.register(t.server); err != nil {
		return err
	}
	reflection.Register(t.server)
	state, err := os.MkdirTemp("", "dwmon")
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient("passthrough:///plugin",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(pluginsdk.MaxMessageBytes)))
	if err != nil {
		return err
	}
	t.session = newSession(conn)
	t.session.faults, t.session.state, t.session.keep = t.faults, state, true
	t.session.label = fmt.Sprintf("%p", t)
	t.served = make(chan error, 1)
	// Everything that the plugin starts inherits the label, and is found by it.
	go pprof.Do(context.Background(), pprof.Labels(goroutineLabel, t.session.label), func(context.Context) {
		t.served <- t.server.Serve(lis)
	})
	return nil
}

func (t *inProcess) open(context.Context, *kit) (*session, error) {
	t.log.reset()
	return t.session, nil
}

func (t *inProcess) said() string { return t.log.said("its log") }

// close lets the plugin shut down. A case may have done so already.
func (t *inProcess) close() {
	if t.session == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = t.session.base.Drain(ctx, &pluginv1.DrainRequest{Grace: durationpb.New(time.Second)})
	_ = t.session.conn.Close()
	t.server.Stop()
	<-t.served
	_ = os.RemoveAll(t.session.state)
}
