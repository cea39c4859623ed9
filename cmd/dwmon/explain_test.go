package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/golden"
)

func isGolden(t *testing.T, name, got string) {
	t.Helper()
	golden.Compare(t, filepath.Join("testdata", "golden", strings.ReplaceAll(name, " ", "_")+".txt"), got)
}

// explained is what `dwmon explain` prints of a text at a time, in a width of 100
// cells. It is not loaded, and there is no database.
func explained(t *testing.T, text, settings string, now time.Time) string {
	t.Helper()
	t.Setenv("COLUMNS", "100")
	dir := t.TempDir()
	t.Chdir(dir)
	for name, content := range map[string]string{"dwmon.yaml": settings, "orders.dwmon": text, "holidays.ics": holidays} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(config.LoadOptions{Path: "dwmon.yaml", Env: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	o := daemon.Options{Config: cfg, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}
	e, err := daemon.Explain(context.Background(), o, "orders.dwmon")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printExplanation(&out, e); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(out.String(), dir, "$DIR")
}

const holidays = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20261026\r\nSUMMARY:Stocktaking\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"

const explainedSettings = `timezone: UTC
sources:
  SHOP: {getter: postgres, settings: {dsn: "postgres://shop:hunter2@db/shop"}, timeout: 20s}
handlers:
  - {plugin: log}
  - {name: pager, plugin: pagerduty, on: change, match: [owner=sales], settings: {routing_key: hunter2}}
calendars:
  de: [holidays.ics]
`

func head(lines string) string {
	return "__QUERY__\nSELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM orders\n__REQUIREMENTS__\n" + lines + "__SOURCE__\n"
}

func TestExplanations(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, text string
		now        time.Time
	}{
		{
			"the night in which the clocks are set back",
			head("CHECKHOURS0-23 CHECKMINUTES*/20 WEEKENDS WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS1200\n"+
				"CHECKHOURS2 CHECKMINUTES30 CHECKDAYSSUN MINNUM1 LOOKBACKSECONDS86400 HALFOPEN\n") +
				"SHOP\n__OPTIONS__\ntimezone: Europe/Berlin\ngrace: 5m\nowner: shop\ndescription: orders, as the till writes them\n" +
				"calendar: de\nalert: {after: 2, of: 3, repeat: 4h, growth: 2}\n",
			time.Date(2026, 10, 25, 1, 47, 0, 0, berlin),
		},
		{
			"a source that nobody serves",
			head("CHECKHOURS9-17 CHECKMINUTES0-59 WEEKDAYS MINNUM1 LOOKBACKSECONDS90\n") + "ORACLE\n__OPTIONS__\nhandlers: []\n",
			time.Date(2026, 6, 1, 12, 0, 30, 0, time.UTC),
		},
		{
			"switched off",
			head("CHECKHOURS9-17 CHECKMINUTES0-59 WEEKDAYS MINNUM0 LOOKBACKSECONDS90\n") + "sqlite:x.db\n__OPTIONS__\nenabled: false\nhandlers: [log, pagr]\n",
			time.Date(2026, 6, 1, 12, 0, 30, 0, time.UTC),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wd, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			got := explained(t, tt.text, explainedSettings, tt.now)
			t.Chdir(wd)
			if strings.Contains(got, "hunter2") {
				t.Errorf("a secret is shown:\n%s", got)
			}
			isGolden(t, "explain "+tt.name, got)
		})
	}
}
