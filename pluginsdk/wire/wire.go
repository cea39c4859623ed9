// Package wire serves a plugin on a gRPC server within the same process. It is
// for hosts and tests: authors need pluginsdk only, and nothing is promised of
// this package between versions.
package wire

import (
	"log/slog"

	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/internal/hook"
	"google.golang.org/grpc"
)

// Register registers the plugin's services. It may be called before s serves. The
// error tells what is wrong with p. Logs go to slog.Default.
func Register(s grpc.ServiceRegistrar, p pluginsdk.Plugin) error {
	return hook.Register(s, p, slog.Default())
}

// ServerOptions are those of a plugin's own server.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(pluginsdk.MaxMessageBytes),
		grpc.MaxSendMsgSize(pluginsdk.MaxMessageBytes),
	}
}
