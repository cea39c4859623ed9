// Package lsp is a language server for checker files and dwmon.yaml: the Language
// Server Protocol 3.17 over a pair of streams. Editors are shown the faults of the
// very parser that the daemon uses, what a token or an option means, what can
// stand at a place, and quick fixes.
//
// It reads the texts that the editor sends and the dwmon.yaml above them. It never
// touches the network, plugins or the database, and replaces no ${…}.
//
// Messages are handled one after the other, in the order in which they came: that
// is what the protocol asks for, and no document is ever looked at while it changes.
package lsp
