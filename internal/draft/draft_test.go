package draft

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/golden"
)

// shop is a catalog as a row getter gives it.
var shop = []string{
	"\torders\tid\tbigint\tkey", "\torders\tnumber\ttext\tunique", "\torders\tupdated_at\ttimestamp with time zone\t",
	"\torders\tcreated_at\ttimestamp with time zone\t", "\torders\tday\tdate\t",
	"billing\tOrder\tOrder\tuuid\tkey", "billing\tOrder\tpart\tinteger\tkey", "billing\tOrder\tinsertedAt\tbigint\t",
	"\tevents\tevent_id\tvarchar(36)\t", "\tevents\tts\tbigint\t",
	"\tnothing\ta\ttext\t", "not five fields",
}

func TestProposals(t *testing.T) {
	for _, tt := range []struct {
		table string
		key   []string
		times []string
	}{
		{"orders", []string{"id"}, []string{"created_at", "updated_at", "day"}},
		{"ORDERS", []string{"id"}, []string{"created_at", "updated_at", "day"}},
		{"billing.order", []string{"Order", "part"}, []string{"insertedAt"}},
		{"events", []string{"event_id"}, []string{"ts"}},
		{"nothing", nil, nil},
	} {
		table, ok := FindTable(Catalog(shop), tt.table)
		if !ok {
			t.Errorf("there is no table %s", tt.table)
			continue
		}
		if got := table.ProposeKey(); !slices.Equal(got, tt.key) {
			t.Errorf("%s: the key proposed is %q, not %q", tt.table, got, tt.key)
		}
		if got := table.ProposeTimes(); !slices.Equal(got, tt.times) {
			t.Errorf("%s: the times proposed are %q, not %q", tt.table, got, tt.times)
		}
	}
}

func TestQueriesOfEachDialect(t *testing.T) {
	plain := Table{Name: "orders"}
	odd := Table{Schema: "billing", Name: "Order"}
	var b strings.Builder
	for _, getter := range []string{"sqlite", "postgres", "mysql", "sqlserver", "clickhouse", "trino", "of-somebody"} {
		b.WriteString("-- " + getter + "\n" + Query(getter, plain, []string{"id"}, "created_at") + ";\n")
		b.WriteString(Query(getter, odd, []string{`a"b`, "c`]d"}, "timestamp") + ";\n")
	}
	golden.Compare(t, "testdata/queries.sql", b.String())
}

// TestADraftedQueryIsUnderstood: what judges results by its limit and its order must
// find both.
func TestADraftedQueryIsUnderstood(t *testing.T) {
	for _, getter := range []string{"sqlite", "postgres", "mysql", "sqlserver", "clickhouse", "trino"} {
		query := Query(getter, Table{Schema: "s", Name: "limit"}, []string{"a", "b"}, "top")
		if rows, ok := dwmon.RowLimit(query); !ok || rows != limitRows || !dwmon.NewestFirst(query) {
			t.Errorf("%s: limit %d, %v; newest first: %v\n%s", getter, rows, ok, dwmon.NewestFirst(query), query)
		}
	}
}

// TestADraftIsAChecker: whatever is answered, the file says what was meant.
func TestADraftIsAChecker(t *testing.T) {
	everies := []time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute, time.Hour, 2 * time.Hour, 24 * time.Hour}
	rapid.Check(t, func(t *rapid.T) {
		d := Draft{
			Name: "a", Source: "shop", Query: Query("postgres", Table{Name: "t"}, []string{"id"}, "at"), Table: "t", Time: "at",
			Lookback:    time.Duration(rapid.Int64Range(1, dwmon.MaxLookback).Draw(t, "look-back")) * time.Second,
			Every:       rapid.SampledFrom(everies).Draw(t, "every"),
			Hours:       rapid.SampledFrom([]string{"", "0-23", "9-17", "6", "0-5,22-23"}).Draw(t, "hours"),
			Days:        rapid.SampledFrom([]string{"", "every", "weekdays", "weekends", "mon,wed-fri"}).Draw(t, "days"),
			Owner:       rapid.StringOf(rapid.RuneFrom([]rune("ab: #'\"\\{}[]&*!|>%@`,-?ä\t"))).Draw(t, "owner"),
			Description: rapid.StringMatching(`[ -~]*`).Draw(t, "description"),
		}
		low := rapid.Int64Range(0, 100).Draw(t, "min")
		d.Expect = Range{Min: dwmon.At(low), Max: dwmon.At(low + rapid.Int64Range(0, 100).Draw(t, "more")), Guessed: rapid.Bool().Draw(t, "guessed")}
		text, err := d.Text()
		if err != nil {
			t.Fatal(err)
		}
		c, faults := checkfile.Parse("a.dwmon", "a", text)
		if c == nil {
			t.Fatalf("%s\n%s", dwmon.FileFaults(faults).Text(), text)
		}
		line := c.Lines[0]
		if c.Options.Owner != d.Owner || c.Options.Description != d.Description || c.Query != d.Query || c.Source != d.Source ||
			line.Min != d.Expect.Min || line.Max != d.Expect.Max || line.Lookback != int64(d.Lookback/time.Second) {
			t.Fatalf("%+v does not say what was drafted: %+v", c, d)
		}
	})
}

func TestSchedules(t *testing.T) {
	for _, tt := range []struct {
		every, hours, want string
	}{
		{"1m", "", "CHECKHOURS0-23 CHECKMINUTES0-59"},
		{"20m", "9-17", "CHECKHOURS9-17 CHECKMINUTES*/20"},
		{"1h", "9-17", "CHECKHOURS9-17 CHECKMINUTES0"},
		{"6h", "", "CHECKHOURS*/6 CHECKMINUTES0"},
		{"4h", "9-17", "CHECKHOURS9,13,17 CHECKMINUTES0"},
		{"24h", "", "CHECKHOURS0 CHECKMINUTES0"},
		{"1d", "6", "CHECKHOURS6 CHECKMINUTES0"},
		{"7m", "", "every 7m"},
		{"90m", "", "every 90m"},
		{"90s", "", "every 90s"},
		{"2d", "", "every 2d"},
	} {
		every, err := dwmon.ParseDuration(tt.every)
		if err != nil {
			t.Fatal(err)
		}
		d := Draft{Every: every, Hours: tt.hours, Lookback: 90 * time.Second, Expect: Range{Min: dwmon.At(1)}}
		line, err := d.Line()
		if err != nil {
			line = err.Error()
		}
		if !strings.HasPrefix(line, tt.want) {
			t.Errorf("every %s on hours %q: %s, not %s", tt.every, tt.hours, line, tt.want)
		}
	}
}

func TestRanges(t *testing.T) {
	for text, want := range map[string]string{"5..20": "5..20", "5..": "5..", "..20": "..20", "7": "7..7", " 5 .. 20 ": "5..20", "0..0": "0..0"} {
		if r, err := ParseRange(text); err != nil || r.String() != want {
			t.Errorf("%q is %s, %v; not %s", text, r, err, want)
		}
	}
	for _, text := range []string{"", "..", "a..b", "-1..5", "20..5", "5...20", "1.5"} {
		if r, err := ParseRange(text); err == nil {
			t.Errorf("%q is read as %s", text, r)
		}
	}
}

// checkLine asks the parser.
func checkLine(line string) error {
	_, faults := checkfile.Parse("a.dwmon", "a", []byte("__QUERY__\nq\n__SOURCE__\ns\n__REQUIREMENTS__\n"+line+"\n"))
	if dwmon.AnyError(faults) {
		return errors.New(strings.TrimSpace(faults[0].Message + ": " + faults[0].Hint))
	}
	return nil
}

// echoing is an asker whose answers are seen.
func echoing(answers []string, out *bytes.Buffer) *Asker {
	a := NewAsker(strings.NewReader(strings.Join(answers, "\n")+"\n"), out)
	a.echo = true
	return a
}

// world is one with a shop whose tables are known.
func world(ask *Asker) World {
	return World{
		Sources: []string{"crm", "shop"}, Ask: ask, Check: checkLine,
		Catalog: func(_ context.Context, source string) (string, []Table, error) {
			if source != "shop" {
				return "http", nil, errors.New("this row getter does not list what there is")
			}
			return "postgres", Catalog(shop), nil
		},
	}
}

// TestInterviews holds what is asked, and the file that comes of it.
func TestInterviews(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []string
		given   Answers
	}{
		{"all_defaults", []string{"shop", "orders", "", "", "", "", "", "", "", "", ""}, Answers{}},
		{"corrected", []string{
			"3", "shop", "ordrs", "2", "id,oder", "order,PART", "x", "", "soon", "0s", "1h", "7m", "1h", "17-9", "9-17", "weekday", "weekdays", "20..5", "5..20",
			"orders: # of them", "sales",
		}, Answers{}},
		{"own_query", []string{"shop", "query", "", "SELECT id AS dwmon_unique_key,", "  at AS dwmon_timestamp FROM x", "", "", "", "", "", "", "", ""}, Answers{}},
		{"no_catalog", []string{"crm", "x.Accounts", "id", "created"}, Answers{
			Lookback: time.Hour, Every: 10 * time.Minute, Hours: "0-23", Days: "every", Expect: "3..", Owner: "crm", Description: "new accounts",
		}},
		{"no_catalog_own_query", []string{"crm", "query", "accounts?fields=id,created", ""}, Answers{
			Lookback: time.Hour, Every: 10 * time.Minute, Hours: "0-23", Days: "every", Expect: "3..", Owner: "crm", Description: "new accounts",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			tt.given.Name = "new_orders"
			d, err := Interview(t.Context(), tt.given, world(echoing(tt.answers, &out)))
			if err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			text, err := d.Text()
			if err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, "testdata/"+tt.name+".txt", out.String()+"\n"+string(text))
		})
	}
}

func TestAnInterviewThatEndsEarlyHasNoDraft(t *testing.T) {
	for n := range 8 {
		answers := strings.Join([]string{"shop", "orders", "", "", "", "", "", ""}[:n], "\n")
		_, err := Interview(t.Context(), Answers{Name: "a"}, world(NewAsker(strings.NewReader(answers), &bytes.Buffer{})))
		if !errors.Is(err, ErrStopped) {
			t.Errorf("after %d answers: %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Interview(ctx, Answers{Name: "a"}, world(NewAsker(never, &bytes.Buffer{}))); !errors.Is(err, ErrStopped) {
		t.Errorf("broken off: %v", err)
	}
}

func TestNobodyToAsk(t *testing.T) {
	complete := Answers{Name: "a", Source: "shop", Table: "orders"}
	d, err := Interview(t.Context(), complete, world(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := &Draft{
		Name: "a", Source: "shop", Table: "orders", Time: "created_at", Lookback: time.Hour, Every: 20 * time.Minute, Hours: "0-23", Days: "every",
		Expect: Range{Min: dwmon.At(1), Guessed: true}, Description: "rows of orders",
	}
	if diff := cmp.Diff(want, d, cmpopts.IgnoreFields(Draft{}, "Query")); diff != "" {
		t.Errorf("the draft (-want +got):\n%s", diff)
	}
	var missing *MissingError
	if _, err := Interview(t.Context(), Answers{}, world(nil)); !errors.As(err, &missing) || len(missing.Flags) != 2 {
		t.Errorf("nothing is given: %v", err)
	}
	for _, tt := range []struct {
		a    Answers
		want string
	}{
		{Answers{Source: "shop", Table: "order"}, "did you mean orders?"},
		{Answers{Source: "shop", Table: "orders", Key: "idd"}, "did you mean id?"},
		{Answers{Source: "shop", Table: "orders", Time: "id,number"}, "one column has the time"},
		{Answers{Source: "shop", Table: "nothing"}, "add --key"},
		{Answers{Source: "shop", Table: "nothing", Key: "a"}, "add --time"},
		{Answers{Source: "shop", Table: "query"}, "--query gives the query"},
		{Answers{Source: "shop", Table: "orders", Expect: "x"}, "no range"},
		{Answers{Source: "shop", Table: "orders", Every: 7 * time.Minute}, "every 7m"},
		{Answers{Source: "shop", Table: "orders", Hours: "17-9"}, "backwards"},
		{Answers{Source: "shop", Table: "orders", Days: "someday"}, "CHECKDAYS"},
	} {
		var answer *AnswerError
		if _, err := Interview(t.Context(), tt.a, world(nil)); !errors.As(err, &answer) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt.a, err)
		}
	}
	if _, err := Interview(t.Context(), Answers{Source: "crm", Table: "x"}, world(nil)); err == nil || !strings.Contains(err.Error(), "--key and --time") {
		t.Errorf("a source without a catalog: %v", err)
	}
}
