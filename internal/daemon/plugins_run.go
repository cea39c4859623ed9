package daemon

import (
	"context"
	"fmt"
	"io"

	"github.com/dwmon/dwmon/internal/pluginhost"
)

// RunPlugin runs a plugin by itself until ctx ends, for a debugger or a daemon that
// attaches to it. Its standard output goes to out, its log to o.Log.
func RunPlugin(ctx context.Context, o Options, target string, out io.Writer) error {
	opt, err := hostOptions(o)
	if err != nil {
		return err
	}
	if err := pluginhost.Foreground(ctx, opt, target, out); err != nil {
		return fmt.Errorf("plugin %s: %w", target, err)
	}
	return nil
}
