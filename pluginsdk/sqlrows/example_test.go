package sqlrows

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

// A row getter for any database/sql driver.
func ExampleSend() {
	// A real plugin opens its database in Setup: sql.Open("pgx", cfg.DSN).
	db := sql.OpenDB(&result{
		columns: []string{"status", "DWMON_TIMESTAMP", "dwmon_unique_key"},
		rows:    [][]driver.Value{{"paid", int64(1_700_000_000), int64(7)}, {"open", nil, int64(8)}},
	})
	defer db.Close()
	getter := pluginsdk.RowGetterFunc(func(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		rows, err := db.QueryContext(ctx, q.Text)
		if err != nil {
			return err
		}
		return Send(rows, out, Options{Cancel: cancel})
	})
	var out plugintest.Sink
	err := getter.GetRows(context.Background(), pluginsdk.Query{Text: "SELECT ..."}, &out)
	fmt.Println(out.Rows[0].Key, out.Rows[0].At.Format(time.RFC3339), out.Skipped, err)
	// Output: 7 2023-11-14T22:13:20Z 1 <nil>
}
