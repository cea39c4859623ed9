package pluginsdk

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Everything that touches go-plugin is in this file.

// serveGoPlugin serves until the server has stopped. It returns false when it
// could not begin.
func (p *process) serveGoPlugin(stderr io.Writer) bool {
	cfg := goPluginConfig(p.server, stderr)
	cfg.GRPCServer = func(opts []grpc.ServerOption) *grpc.Server {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.grpc = newGRPCServer(opts)
		hideHost()
		// go-plugin is about to print the handshake line, and swaps os.Stdout for a
		// pipe to the host right after it.
		os.Stdout = savedStdout
		return p.grpc
	}
	goplugin.Serve(cfg)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.grpc != nil
}

func goPluginConfig(s *server, stderr io.Writer) *goplugin.ServeConfig {
	return &goplugin.ServeConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: CookieKey, MagicCookieValue: CookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{ProtocolVersion: {DispenseName: &glue{server: s}}},
		GRPCServer:       newGRPCServer,
		Logger: hclog.New(&hclog.LoggerOptions{
			Name: "go-plugin", Level: hclog.Warn, Output: stderr, JSONFormat: true,
		}),
	}
}

func newGRPCServer(opts []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(
		opts,
		grpc.MaxRecvMsgSize(MaxMessageBytes),
		grpc.MaxSendMsgSize(MaxMessageBytes),
		// Fixed windows: else gRPC estimates the bandwidth of the local socket, with a ping
		// at nearly every call.
		grpc.InitialWindowSize(windowBytes),
		grpc.InitialConnWindowSize(windowBytes),
	)...)
}

// windowBytes is how much the host may send ahead of what was taken, for each call,
// and of what was read from the connection.
const windowBytes = 1 << 20

// glue is the one plugin that go-plugin knows.
type glue struct {
	goplugin.NetRPCUnsupportedPlugin
	server *server
}

func (g *glue) GRPCServer(_ *goplugin.GRPCBroker, r *grpc.Server) error {
	g.server.register(r)
	return nil
}

func (g *glue) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is the plugin's side")
}
