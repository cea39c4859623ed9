package pluginsdk

import "os"

// The process's own output, saved before anybody else prints. Under a host,
// standard output carries the handshake: one stray line before it breaks the
// start. So from here on os.Stdout is standard error, until Serve puts it back
// for the moment of the handshake.
var savedStdout, savedStderr = os.Stdout, os.Stderr

func init() {
	if underHost() {
		os.Stdout = os.Stderr
	}
}

// underHost says that a host has started this process as a plugin.
func underHost() bool { return os.Getenv(CookieKey) == CookieValue }

// hideHost removes what the host has told us from the environment, so that
// programs started by the plugin do not take themselves for plugins.
func hideHost() {
	for _, name := range []string{CookieKey, LifelineEnv} {
		os.Unsetenv(name)
	}
}
