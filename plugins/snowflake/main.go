// Plugin snowflake is a row getter for Snowflake: a checker's QUERY, which must be one
// that reads, runs there, and its columns dwmon_unique_key and dwmon_timestamp are the
// rows.
//
// The driver brings more than a hundred modules: this plugin is a Go module of its own,
// so that dwmon need not.
package main

import (
	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
	"github.com/dwmon/dwmon/pluginsdk"
)

func main() { pluginsdk.Serve(plugin()) }

func plugin() pluginsdk.Plugin {
	return sqlgetter.Plugin(sqlgetter.Product{
		Name:    "snowflake",
		Summary: "rows from Snowflake",
		Schemes: []string{"snowflake", "sf"},
		Example: "snowflake://user:password@organisation-account/database/schema?warehouse=NAME&role=NAME",
		Check: func(query string) error {
			_, err := sqlgetter.Reading(query, "SELECT", "WITH", "VALUES")
			return err
		},
		Open: open,
	})
}
