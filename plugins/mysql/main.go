// Plugin mysql is a row getter for MySQL and MariaDB: a checker's QUERY runs there
// in a read-only transaction, and its columns dwmon_unique_key and
// dwmon_timestamp are the rows.
package main

import (
	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
	"github.com/dwmon/dwmon/pluginsdk"
)

func main() { pluginsdk.Serve(plugin()) }

func plugin() pluginsdk.Plugin {
	return sqlgetter.Plugin(sqlgetter.Product{
		Name:    "mysql",
		Summary: "rows from MySQL and MariaDB",
		Schemes: []string{"mysql", "mariadb", "my", "maria"},
		Catalog: catalog,

		WriteProbe: writeProbe,
		Writable:   writable,
		Example:    "mysql://user:password@host:3306/database",
		Open:       open,
	})
}
