// Plugin sqlite is a row getter for SQLite files: a checker's QUERY runs there on a
// read-only connection, and its columns dwmon_unique_key and dwmon_timestamp are
// the rows.
package main

import (
	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
	"github.com/dwmon/dwmon/pluginsdk"
)

func main() { pluginsdk.Serve(plugin()) }

func plugin() pluginsdk.Plugin {
	return sqlgetter.Plugin(sqlgetter.Product{
		Name:    "sqlite",
		Summary: "rows from SQLite files",
		Schemes: []string{"sqlite", "sqlite3", "sq"},
		Catalog: catalog,

		WriteProbe: writeProbe,
		Example:    "sqlite:demo.db or sqlite:///var/lib/demo.db",
		Rewrite:    rewrite,
		Check:      singleStatement,
		Open:       open,
	})
}
