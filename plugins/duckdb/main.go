// Plugin duckdb is a row getter for DuckDB files, and for the Parquet, CSV and JSON
// files that DuckDB reads: a checker's QUERY runs in the plugin's own process, and its
// columns dwmon_unique_key and dwmon_timestamp are the rows.
//
// DuckDB is C++: this plugin is a Go module of its own, so that building dwmon needs
// no C compiler.
package main

import (
	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
	"github.com/dwmon/dwmon/pluginsdk"
)

func main() { pluginsdk.Serve(plugin()) }

func plugin() pluginsdk.Plugin {
	return sqlgetter.Plugin(sqlgetter.Product{
		Name:    "duckdb",
		Summary: "rows from DuckDB, Parquet, CSV and JSON files",
		Schemes: []string{"duckdb", "duck"},
		Example: "duckdb:/var/lib/sales.duckdb, or duckdb: for queries on files alone",
		// DuckDB itself is asked too, but it makes the folder of an EXPORT while it is
		// asked.
		Check: func(query string) error {
			_, err := sqlgetter.Reading(query, "SELECT", "WITH", "FROM", "VALUES", "TABLE", "PIVOT", "UNPIVOT")
			return err
		},
		Open: open,
	})
}
