package main

import (
	"fmt"
	"os"

	"github.com/dwmon/dwmon/internal/pluginhost"
)

// attachEnv holds what plugins print that are started with --debug.
const attachEnv = "DWMON_ATTACH_PLUGINS"

// attachments are the plugins that run under a debugger.
func attachments() (map[string]pluginhost.Attachment, error) {
	all, err := pluginhost.ParseAttach(os.Getenv(attachEnv))
	if err != nil {
		return nil, &usageError{fmt.Errorf("%s: %w", attachEnv, err), ""}
	}
	return all, nil
}
