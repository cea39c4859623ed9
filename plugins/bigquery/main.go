// Plugin bigquery is a row getter for Google BigQuery: a checker's QUERY, which must
// be a SELECT, runs there as a job, and its columns dwmon_unique_key and
// dwmon_timestamp are the rows.
//
// Google's client brings more than a hundred modules: this plugin is a Go module of its
// own, so that dwmon need not.
package main

import (
	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
	"github.com/dwmon/dwmon/pluginsdk"
)

func main() { pluginsdk.Serve(plugin()) }

func plugin() pluginsdk.Plugin {
	return sqlgetter.Plugin(sqlgetter.Product{
		Name:    "bigquery",
		Summary: "rows from Google BigQuery",
		Schemes: []string{"bigquery", "bq"},
		Example: "bigquery://project/dataset?location=EU&keyfile=/etc/dwmon/bigquery.json",
		Check: func(query string) error {
			_, err := sqlgetter.Reading(query, "SELECT", "WITH", "FROM")
			return err
		},
		Open: open,
	})
}
