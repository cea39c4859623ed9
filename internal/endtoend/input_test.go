package endtoend

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/procfs"
)

// input is what a source gives, and what becomes of it.
type input struct {
	name string
	// make fills the table t with columns k and at, both without a type, on top of
	// one good row in the minute before noon.
	make  string
	query string // of the checker; empty: k and at of t
	// fault is the error, whole; empty where the fetch succeeds.
	fault string
	// mend is run after a fetch that failed; mended is the query from then on.
	mend, mended string
	// count is the number of rows in the minute before noon, in the end.
	count int64
	// skipped rows are counted as such.
	skipped int64
}

const mib = 1 << 20

var inputs = []input{
	{
		name: "no columns", query: "SELECT k, at FROM t", mended: "SELECT k AS DWMON_unique_Key, 1 AS other, at AS dwmon_timestamp FROM t", count: 1,
		fault: "plugin sqlite: GetRows: sqlite %s: the query gives no column dwmon_unique_key; name one with AS dwmon_unique_key (its columns are k, at)\n" +
			"the query gives no column dwmon_timestamp; name one with AS dwmon_timestamp (its columns are k, at)",
	},
	{name: "a null key", make: "INSERT INTO t VALUES (NULL, 1780315190)", mend: "UPDATE t SET k = 'b' WHERE k IS NULL", count: 2, fault: "plugin sqlite: GetRows: sqlite %s: row 2: its dwmon_unique_key is NULL; leave such rows out, or give them a key with COALESCE"},
	{name: "a text that is no time", make: "INSERT INTO t VALUES ('b', 'yesterday')", mend: "UPDATE t SET at = '2026-06-01 11:59:30' WHERE k = 'b'", count: 2, fault: "plugin sqlite: GetRows: sqlite %s: row 2: its dwmon_timestamp is \"yesterday\", which is no time; want seconds since the epoch, or YYYY-MM-DD HH:MM:SS with or without a zone"},
	{name: "milliseconds", make: "INSERT INTO t VALUES ('b', 1780315190000)", mend: "UPDATE t SET at = at / 1000 WHERE k = 'b'", count: 2, fault: "plugin sqlite: GetRows: sqlite %s: row 2: its dwmon_timestamp is 1780315190000, too large for seconds since the epoch; it looks like milliseconds: divide by 1000 in the query"},
	{name: "not a number", make: "INSERT INTO t VALUES ('b', 'NaN')", mend: "DELETE FROM t WHERE k = 'b'", count: 1, fault: "plugin sqlite: GetRows: sqlite %s: row 2: its dwmon_timestamp is \"NaN\", which is no time; want seconds since the epoch, or YYYY-MM-DD HH:MM:SS with or without a zone"},
	{name: "infinite", make: "INSERT INTO t VALUES ('b', 9e999)", mend: "DELETE FROM t WHERE k = 'b'", count: 1, fault: "plugin sqlite: GetRows: sqlite %s: row 2: its dwmon_timestamp is +Inf, which is no time"},
	{name: "a blob as time", make: "INSERT INTO t VALUES ('b', x'00')", mend: "DELETE FROM t WHERE k = 'b'", count: 1, fault: "plugin sqlite: GetRows: sqlite %s: row 2: its dwmon_timestamp is \"\\x00\", which is no time; want seconds since the epoch, or YYYY-MM-DD HH:MM:SS with or without a zone"},
	{name: "null and far-future times", make: "INSERT INTO t VALUES ('b', NULL), ('c', 1780315200 + 90000), ('d', '9999-12-31')", count: 1, skipped: 3},
	{name: "every form of a time", make: `INSERT INTO t VALUES ('b', 1780315190.5), ('c', '1780315190'), ('d', '2026-06-01 11:59:50'), ('e', '2026-06-01T13:59:50.25+02:00'), ('f', 1780315200)`, count: 5},
	{name: "the first row of a key counts", make: "INSERT INTO t VALUES ('a', 1)", count: 1},
	{name: "keys of all types", make: "INSERT INTO t VALUES (1, 1780315190), ('1', 1780315190), (1.5, 1780315190), (x'ff00fe', 1780315190), (x'ff', 1780315190), ('', 1780315190)", count: 6},
	{name: "a key of 1 MiB", make: "INSERT INTO t VALUES (printf('%.*c', 1048576, 'x'), 1780315190)", count: 2},
	{name: "a longer key", make: "INSERT INTO t VALUES (printf('%.*c', 1048577, 'x'), 1780315190)", mend: "UPDATE t SET k = 'b' WHERE length(k) > 1000", count: 2, fault: "plugin sqlite: GetRows: sqlite %s: row 2: its key is 1048577 bytes long, at most 1048576 are allowed; use a digest of it as the key (in SQL: md5(...))"},
	{name: "a query that writes", query: "DELETE FROM t RETURNING k AS dwmon_unique_key, at AS dwmon_timestamp", mended: inputQuery, count: 1, fault: "plugin sqlite: GetRows: sqlite %s: query: attempt to write a readonly database (8); a checker's query may only read"},
	{name: "two statements", query: inputQuery + "; " + inputQuery, mended: inputQuery, count: 1, fault: "plugin sqlite: GetRows: the query has several statements; one is wanted"},
	{name: "no such table", query: "SELECT k AS dwmon_unique_key, at AS dwmon_timestamp FROM nowhere", mended: inputQuery, count: 1, fault: "plugin sqlite: GetRows: sqlite %s: query: SQL logic error: no such table: nowhere (1)"},
}

const inputQuery = "SELECT k AS dwmon_unique_key, at AS dwmon_timestamp FROM t ORDER BY rowid"

// TestBadInput feeds a checker with each input, all in the same pass. A fetch that
// fails says why in words that help, loses no minute, and once the source is mended
// the minutes are judged with the rows as they are then.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	const lines1 = "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MAXNUM100000 LOOKBACKSECONDS60"
	file := func(i int) string { return fmt.Sprintf("source%d.db", i) }
	place := func(in *input, i int, query string) {
		if query == "" {
			query = inputQuery
		}
		w.checker(in.name, query, lines1, "sqlite:"+file(i))
	}
	bad := 0
	for i := range inputs {
		in := &inputs[i]
		w.sql(file(i), "CREATE TABLE t (k, at)", "INSERT INTO t VALUES ('a', 1780315180)")
		if in.make != "" {
			w.sql(file(i), in.make)
		}
		place(in, i, in.query)
		if in.fault != "" {
			bad++
		}
	}
	type pass struct {
		CheckerName string  `json:"checker_name"`
		Error       *string `json:"error"`
	}
	errs := map[string]string{}
	for _, p := range lines[pass](t, w.once(1, noon, "--json").out) {
		if p.Error != nil {
			errs[p.CheckerName] = *p.Error
		}
	}
	if len(errs) != bad {
		t.Errorf("%d checkers fail, want %d: %q", len(errs), bad, errs)
	}
	for i := range inputs {
		in := &inputs[i]
		want := in.fault
		if strings.Contains(want, "%s") {
			want = fmt.Sprintf(want, file(i))
		}
		if got := errs[in.name]; got != want {
			t.Errorf("%s: the error is\n%.600s\nwant\n%s", in.name, got, want)
		}
		if in.mend != "" {
			w.sql(file(i), in.mend)
		}
		if in.mended != "" {
			place(in, i, in.mended)
		}
	}
	w.once(0, noon.Add(3*time.Minute))
	history := w.history()
	skipped := w.skipped()
	for i := range inputs {
		in := &inputs[i]
		if got := minutesOf(history, in.name); len(got) != 13 || got[0] != -9 || got[12] != 3 {
			t.Errorf("%s was judged at %v", in.name, got)
		}
		for _, e := range history {
			if e.CheckerName == in.name && e.Minute == noon.Unix() && e.Count != in.count {
				t.Errorf("%s: %d rows count, want %d", in.name, e.Count, in.count)
			}
		}
		if skipped[in.name] != in.skipped {
			t.Errorf("%s: %d rows were skipped, want %d", in.name, skipped[in.name], in.skipped)
		}
	}
}

// skipped is how many rows the last fetch of each checker has skipped.
func (w *world) skipped() map[string]int64 {
	w.Helper()
	db := w.open("dwmon.db", "mode=ro")
	defer db.Close()
	rows, err := db.Query("SELECT c.name, f.skipped + f.skipped_null FROM fetches f JOIN checkers c ON c.id = f.checker_id ORDER BY f.id")
	if err != nil {
		w.Fatal(err)
	}
	skipped := map[string]int64{}
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			w.Fatal(err)
		}
		skipped[name] = n
	}
	return skipped
}

// extra is JSON that a decoder and an encoder would change: numbers beyond 2^53,
// its own spacing, escapes, members twice as deep as anybody needs.
var extra = `{ "id" : 9223372036854775807, "more":18446744073709551615,"exact": 0.1000, "e": 1E400,
  "text": "\u00e9\/é <&>", "deep": ` + strings.Repeat("[", 400) + `1` + strings.Repeat("]", 400) + ` }`

// TestBytesArriveAsTheyAre: EXTRA at a row getter and at a check handler, keys that
// are no text in the store.
func TestBytesArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "told", "recorder")
	w.write("dwmon.yaml", "timezone: UTC\nhandlers: [{plugin: recorder, settings: {file: told.jsonl}}]\n")
	keys := [][]byte{{0xff, 0xfe}, {0}, {}, []byte("é"), {0xc3}, bytes.Repeat([]byte{0x80}, mib)}
	var rows []string
	for _, k := range keys {
		rows = append(rows, fmt.Sprintf(`{"key": %q, "us": %d}`, base64.StdEncoding.EncodeToString(k), noon.UnixMicro()-1))
	}
	// The largest key is far beyond what a checker file holds: the getter makes it.
	query := fmt.Sprintf(`{"keep_extra": %q, "rows": [%s], "long_key": %d}`, w.path("extra"), strings.Join(rows[:5], ", "), mib)
	w.checker("bytes", query, every, "told", "__EXTRA__", extra)
	w.once(0, noon)
	if got := w.read("extra"); got != extra {
		t.Errorf("the row getter was given EXTRA as\n%s\nwant\n%s", got, extra)
	}
	list := untorn[told](w, "told.jsonl")
	if len(list) != 10 {
		t.Errorf("%d results were told, want 10", len(list))
	}
	for _, d := range list {
		if string(d.Extra) != extra {
			t.Fatalf("the check handler was given EXTRA as\n%s\nwant\n%s", d.Extra, extra)
		}
	}
	seen := w.stored()["bytes"].seen
	for _, k := range append(keys[:5:5], make([]byte, mib)) {
		if _, ok := seen[string(k)]; !ok {
			t.Errorf("the key %.20q is not stored", k)
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d keys are stored, want 6", len(seen))
	}
	w.checker("bytes", fmt.Sprintf(`{"long_key": %d}`, mib+1), every, "told")
	o := w.once(1, noon.Add(time.Minute))
	if want := "UNKNOWN: plugin told: GetRows: row 1: its key is 1048577 bytes long, at most 1048576 are allowed; use a digest of it as the key"; !strings.Contains(o.out, want) {
		t.Errorf("a key that is too long: %s", o)
	}
	// forget takes a key as it is shown.
	if o := w.want(0, "forget", "bytes", "--key", "é"); !strings.Contains(o.out, "the key is forgotten") {
		t.Errorf("forget says %s", o)
	}
}

// peak is the most memory that a process ever had, in bytes.
func peak(t testing.TB, pid int) int64 {
	t.Helper()
	most, err := procfs.Memory(pid, "VmHWM")
	if err != nil {
		t.Fatal(err)
	}
	return most
}

// TestMillionRows: memory stays bounded, in the daemon and in the plugin.
func TestMillionRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	w.sql("source.db", "CREATE TABLE t (x)")
	w.checker("many", `WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 1000000)
		SELECT printf('%032d', x) AS dwmon_unique_key, unixepoch() - 1800 AS dwmon_timestamp FROM c`,
		"CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1000000 LOOKBACKSECONDS3600", "sqlite:source.db", "__OPTIONS__", "timeout: 10m")
	s := w.start()
	s.up()
	w.await("a million rows are judged", func() bool { return w.status()["many"].State == "GOOD" })
	const most = 200 << 20
	for _, pid := range w.processes() {
		exe := procfs.Program(pid)
		if exe == "" {
			continue // a command of ours that has just ended
		}
		hwm := peak(t, pid)
		t.Logf("%s: VmHWM %d MiB", strings.TrimPrefix(exe, w.dir+"/"), hwm>>20)
		if hwm > most {
			t.Errorf("%s used %d MiB", exe, hwm>>20)
		}
	}
	for _, e := range w.history("many", "--limit", "1") {
		if e.Count != 1_000_000 {
			t.Errorf("%d rows count", e.Count)
		}
	}
	s.stop()
}
