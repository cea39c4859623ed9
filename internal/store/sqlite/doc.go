// Package sqlite is dwmon's embedded store: one SQLite file beside the daemon.
//
// The file has one write connection, which belongs to the writer goroutine, and
// a few query_only readers. Everything that is written goes through DB.write:
// functions that wait at the same time share one commit. One that fails takes
// nothing of its neighbours with it: what they have written is written again (redo.go).
//
// Statements run on the driver's own connections rather than through
// database/sql: its argument conversion, its locks and its goroutine per
// statement cost more than most of the statements do.
//
// Two things are kept in memory, and neither is the truth: the progress of each
// checker, and the keys of its last batch (filter.go). Both change only after
// the commit that they mirror, and both are dropped when somebody else has
// committed to the file.
//
// Nothing here or above opens the database file beside SQLite while it is open:
// closing such a descriptor would drop SQLite's own locks.
package sqlite
