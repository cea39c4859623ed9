// Plugin trino is a row getter for Trino: a checker's QUERY, which must be one that
// reads, runs there, and its columns dwmon_unique_key and dwmon_timestamp are the
// rows.
package main

import (
	"strings"

	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
	"github.com/dwmon/dwmon/pluginsdk"
)

func main() { pluginsdk.Serve(plugin()) }

func plugin() pluginsdk.Plugin {
	return sqlgetter.Plugin(sqlgetter.Product{
		Name:    "trino",
		Summary: "rows from Trino",
		Schemes: []string{"trino"},
		Rewrite: rewrite,
		Catalog: catalog,

		WriteProbe: writeProbe,
		Example:    "trino+https://user:password@host:8443/catalog/schema",
		Check: func(query string) error {
			_, err := reading(query)
			return err
		},
		Open: open,
	})
}

// rewrite makes the transport of a URL its parameter tls: trino+https:// and
// trino+http:// are not among dburl's schemes.
func rewrite(dsn string) string {
	rest, on := strings.CutPrefix(dsn, "trino+https:")
	if !on {
		var off bool
		if rest, off = strings.CutPrefix(dsn, "trino+http:"); !off {
			return dsn
		}
	}
	mark := "?"
	if strings.Contains(rest, "?") {
		mark = "&"
	}
	value := "false"
	if on {
		value = "true"
	}
	return "trino:" + rest + mark + "tls=" + value
}

// reading is the statement that is sent: Trino knows no semicolon. What begins with
// these words cannot write in Trino's SQL.
func reading(query string) (string, error) {
	return sqlgetter.Reading(query, "SELECT", "WITH", "VALUES", "TABLE")
}
