package pluginhost

import (
	"path"
	"slices"
	"strings"
)

// allowedEnv are the variables of the daemon that every plugin gets: what a
// program needs to find its files, its language and its way to the network.
// Nothing else: a daemon's environment is full of secrets.
var allowedEnv = []string{
	"PATH", "HOME", "USER", "LANG", "LC_*", "TZ", "TMPDIR",
	"SSL_CERT_FILE", "SSL_CERT_DIR",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
	"http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"SYSTEMROOT", "SystemRoot", "TEMP", "TMP",
}

// environ picks from the host's environment what matches allowedEnv or one of the
// plugin's own entries: names, patterns, or NAME=value.
func environ(host, own []string) []string {
	var env []string
	for _, kv := range host {
		name, _, _ := strings.Cut(kv, "=")
		if matchesAny(allowedEnv, name) || matchesAny(own, name) {
			env = append(env, kv)
		}
	}
	for _, kv := range own {
		if strings.Contains(kv, "=") {
			env = append(env, kv)
		}
	}
	return env
}

// matchesAny never lets go-plugin's and our own variables through: they are set
// for each process.
func matchesAny(patterns []string, name string) bool {
	if strings.HasPrefix(name, "DWMON_PLUGIN_") || strings.HasPrefix(name, "PLUGIN_") {
		return false
	}
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}
