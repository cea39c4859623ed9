// Plugin sqlserver is a row getter for Microsoft SQL Server and Azure SQL: a
// checker's QUERY, which must be one that reads, runs there in a transaction that is
// rolled back, and its columns dwmon_unique_key and dwmon_timestamp are the rows.
package main

import (
	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
	"github.com/dwmon/dwmon/pluginsdk"
)

func main() { pluginsdk.Serve(plugin()) }

func plugin() pluginsdk.Plugin {
	return sqlgetter.Plugin(sqlgetter.Product{
		Name:    "sqlserver",
		Summary: "rows from Microsoft SQL Server and Azure SQL",
		Schemes: []string{"sqlserver", "mssql", "ms"},
		Catalog: catalog,

		WriteProbe: writeProbe,
		Example:    "sqlserver://user:password@host:1433/database",
		Check:      onlyReads,
		Open:       open,
	})
}
