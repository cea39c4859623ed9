// Package pluginhost runs the plugins: it finds them, starts each as a process of
// its own, supervises it, and is the daemon's end of the gRPC connection.
//
// One process serves one instance, a plugin with one set of settings. It is
// started by the first call and kept; when it ends it is started again, later
// each time, and after too many crashes it is only probed. Whatever a plugin
// does (dies, hangs, lies, floods) costs the calls that it was asked for, never
// the daemon and never another plugin.
//
// Three guards keep plugins from outliving a daemon that is killed: a guard
// process (guard.go), the plugin's standard input, which ends with the daemon,
// and on Linux the kernel's parent-death signal.
//
// The files follow the way down: host.go, discover.go and catalogue.go (what is
// there), instance.go and breaker.go (what should run), process.go and ending.go
// (go-plugin and the connection), child.go (the operating system's process),
// loglines.go (what it writes). Calls go through calls.go; row_getter.go,
// check_handler.go and purger.go are one each.
package pluginhost
