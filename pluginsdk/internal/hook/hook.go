// Package hook lets package wire reach what pluginsdk does not export, so that no
// gRPC type appears in pluginsdk's own surface.
package hook

import (
	"log/slog"

	"google.golang.org/grpc"
)

// Register registers the services of a pluginsdk.Plugin that writes to log. Package
// pluginsdk sets it in its init.
var Register func(r grpc.ServiceRegistrar, plugin any, log *slog.Logger) error
