// Plugin clickhouse is a row getter for ClickHouse: a checker's QUERY runs there
// under a read-only setting, and its columns dwmon_unique_key and dwmon_timestamp
// are the rows.
package main

import (
	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
	"github.com/dwmon/dwmon/pluginsdk"
)

func main() { pluginsdk.Serve(plugin()) }

func plugin() pluginsdk.Plugin {
	return sqlgetter.Plugin(sqlgetter.Product{
		Name:    "clickhouse",
		Summary: "rows from ClickHouse",
		Schemes: []string{"clickhouse", "ch"},
		Catalog: catalog,

		WriteProbe: writeProbe,
		Example:    "clickhouse://user:password@host:9000/database",
		Open:       open,
	})
}
