// Plugin postgres is a row getter for PostgreSQL: a checker's QUERY runs there in
// a read-only transaction, and its columns dwmon_unique_key and dwmon_timestamp
// are the rows.
package main

import (
	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
	"github.com/dwmon/dwmon/pluginsdk"
)

func main() { pluginsdk.Serve(plugin()) }

func plugin() pluginsdk.Plugin {
	return sqlgetter.Plugin(sqlgetter.Product{
		Name:    "postgres",
		Summary: "rows from PostgreSQL",
		Schemes: []string{"postgres", "postgresql", "pg", "pgx"},
		Catalog: catalog,

		WriteProbe: writeProbe,
		Writable:   writable,
		Example:    "postgres://user:password@host:5432/database",
		Open:       open,
	})
}
