// Package daemon puts the parts together: configuration, checker files, store,
// plugins, engine, outbox, listeners. It is the only package that knows them all.
// Run is the daemon, Once is one pass of everything.
package daemon
