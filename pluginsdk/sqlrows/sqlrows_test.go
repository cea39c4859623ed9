package sqlrows

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSendFindsItsColumns(t *testing.T) {
	for _, c := range []struct {
		name    string
		columns []string
		want    string // the error; empty: the row arrives
	}{
		{"in order", []string{"dwmon_unique_key", "dwmon_timestamp", "x"}, ""},
		{"any case, any place", []string{"x", "DWMON_TIMESTAMP", "Dwmon_Unique_Key"}, ""},
		{"no key", []string{"id", "dwmon_timestamp", "x"}, "the query gives no column dwmon_unique_key; name one with AS dwmon_unique_key (its columns are id, dwmon_timestamp, x)"},
		{"neither", []string{"a", "b", "c"}, "no column dwmon_unique_key; name one with AS dwmon_unique_key (its columns are a, b, c)\nthe query gives no column dwmon_timestamp"},
		{"twice", []string{"dwmon_unique_key", "dwmon_timestamp", "DWMON_TIMESTAMP"}, "the query gives two columns dwmon_timestamp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			row := make([]driver.Value, len(c.columns))
			for i, col := range c.columns {
				switch strings.ToLower(col) {
				case KeyColumn:
					row[i] = "k"
				case TimeColumn:
					row[i] = int64(7)
				default:
					row[i] = []byte("ignored")
				}
			}
			r := &result{columns: c.columns, rows: [][]driver.Value{row}}
			var out collector
			cancelled := false
			err := Send(query(t, r), &out, Options{Cancel: func() { cancelled = !r.closed }})
			if !r.closed {
				t.Error("the rows were left open")
			}
			if c.want == "" {
				if err != nil || len(out.rows) != 1 || out.rows[0] != (sent{"k", 7e6}) || cancelled {
					t.Error(err, out.rows, cancelled)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !cancelled {
				t.Errorf("cancelled before closing: %t; got %v", cancelled, err)
			}
		})
	}
}

func both(key, at driver.Value) *result {
	return &result{columns: []string{KeyColumn, TimeColumn}, rows: [][]driver.Value{{key, at}}}
}

type decimal struct{ text string }

func (d decimal) String() string { return d.text }

type id [16]byte

type valuer struct{ v driver.Value }

func (v valuer) Value() (driver.Value, error) {
	if v.v == "broken" {
		return nil, errors.New("broken")
	}
	return v.v, nil
}

func TestKeys(t *testing.T) {
	uuid := [16]byte{0x55, 0x0e, 0x84, 0x00, 0xe2, 0x9b, 0x41, 0xd4, 0xa7, 0x16, 0x44, 0x66, 0x55, 0x44, 0x00, 0x0F}
	const uuidText = "550e8400-e29b-41d4-a716-44665544000f"
	nine, noon := 9, time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		v      driver.Value
		dbType string
		want   string
	}{
		{"text, not trimmed", " A b ", "", " A b "},
		{"bytes that are not UTF-8", []byte{0, 0xff}, "BYTEA", "\x00\xff"},
		{"empty", "", "", ""},
		{"integer", int64(-42), "", "-42"},
		{"the least", int64(math.MinInt64), "", "-9223372036854775808"},
		{"small integer types", int32(5), "", "5"},
		{"unsigned beyond int64", uint64(math.MaxUint64), "", "18446744073709551615"},
		{"decimal text keeps its zeros", []byte("12.500"), "NUMERIC", "12.500"},
		{"float", 1234567.0, "", "1234567"},
		{"float with a part", 0.1, "", "0.1"},
		{"float of 32 bits", float32(0.1), "", "0.1"},
		{"large float", 1e21, "", "1e+21"},
		{"tiny float", 1e-7, "", "1e-07"},
		{"bool", true, "", "true"},
		{"time", time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600)), "", "2026-01-02T02:04:05.0000006Z"},
		{"whole time", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "", "2026-01-02T03:04:05Z"},
		{"uuid array", uuid, "", uuidText},
		{"named uuid array", id(uuid), "", uuidText},
		{"uuid bytes", uuid[:], "UUID", uuidText},
		{"16 bytes of no uuid column", uuid[:], "BINARY", string(uuid[:])},
		{"uuid text", strings.ToUpper(uuidText), "UUID", uuidText},
		{"uuid text as bytes", []byte(strings.ToUpper(uuidText)), "uuid", uuidText},
		{"SQL Server's byte order", []byte{0, 0x84, 0x0e, 0x55, 0x9b, 0xe2, 0xd4, 0x41, 0xa7, 0x16, 0x44, 0x66, 0x55, 0x44, 0, 0x0f}, "UNIQUEIDENTIFIER", uuidText},
		{"text in capitals of another type", "ABC", "TEXT", "ABC"},
		{"a decimal type", decimal{"1.50"}, "", "1.50"},
		{"a valuer", valuer{int64(3)}, "", "3"},
		{"a pointer", &nine, "", "9"},
		{"a large integer", new(big.Int).Lsh(big.NewInt(1), 100), "HUGEINT", "1267650600228229401496703205376"},
		{"a pointer to a time", &noon, "", "2026-01-02T12:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := both(c.v, int64(1))
			r.types = []string{c.dbType, "INT8"}
			var out collector
			if err := Send(query(t, r), &out, Options{}); err != nil || len(out.rows) != 1 || out.rows[0].key != c.want {
				t.Errorf("got %+v %v, want %q", out.rows, err, c.want)
			}
		})
	}
	for name, c := range map[string]struct {
		v    driver.Value
		want string
	}{
		"NULL":            {nil, "row 1: its dwmon_unique_key is NULL"},
		"a nil pointer":   {(*int)(nil), "row 1: its dwmon_unique_key is NULL"},
		"a nil big.Int":   {(*big.Int)(nil), "row 1: its dwmon_unique_key is NULL"},
		"a list":          {[]int{1}, "row 1: its dwmon_unique_key is of a type that is no key ([]int); cast it to text"},
		"a broken valuer": {valuer{"broken"}, "row 1: its dwmon_unique_key cannot be read: broken"},
	} {
		if err := Send(query(t, both(c.v, nil)), &collector{}, Options{}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTimes(t *testing.T) {
	berlin := mustZone(t, "Europe/Berlin")
	for _, c := range []struct {
		name string
		v    driver.Value
		zone *time.Location
		want int64
	}{
		{"integer", int64(1700000000), nil, 1700000000_000000},
		{"before the epoch", int64(-1), nil, -1_000000},
		{"small integer types", int32(5), nil, 5_000000},
		{"unsigned", uint64(5), nil, 5_000000},
		{"float rounds up", 1.0000006, nil, 1_000001},
		{"float rounds down", 1.0000004, nil, 1_000000},
		{"float before the epoch", -1.25, nil, -1_250000},
		{"decimal text floors", "1.0000009", nil, 1_000000},
		{"and before the epoch", "-1.0000001", nil, -1_000001},
		{"bytes", []byte("1700000000.123456789"), nil, 1700000000_123456},
		{"exponent", "1.7e9", nil, 1700000000_000000},
		{"negative exponent", "17E-1", nil, 1_700000},
		{"plus and a bare point", "+5.", nil, 5_000000},
		{"a point first", ".5", nil, 500000},
		{"a tiny number", "1e-400", nil, 0},
		{"a tiny negative number", "-1e-400", nil, -1},
		{"space around", "\t5 \n", nil, 5_000000},
		{"a decimal type", decimal{"5.5"}, nil, 5_500000},
		{"native", time.Date(2026, 1, 1, 0, 0, 0, 999, time.FixedZone("", 3600)), nil, 1767222000_000000},
		{"native before the epoch floors", time.Unix(-1, 1), nil, -1_000000},
		{"RFC 3339", "2026-01-01T00:00:00Z", berlin, 1767225600_000000},
		{"lower case", "2026-01-01t00:00:00.5z", nil, 1767225600_500000},
		{"offset", "2026-01-01T00:00:00+01:00", nil, 1767222000_000000},
		{"short offset, as PostgreSQL prints", "2026-01-01 00:00:00.25-05", nil, 1767243600_250000},
		{"offset without a colon", "2026-01-01 00:00:00 +0530", nil, 1767205800_000000},
		{"offset with seconds", "2026-01-01 00:00:00+00:53:28", nil, 1767222392_000000},
		{"as Go prints", "2026-01-01 00:00:00 +0000 UTC", berlin, 1767225600_000000},
		{"UTC by name", "2026-01-01 00:00:00 UTC", berlin, 1767225600_000000},
		{"no zone", "2026-01-01 00:00:00", nil, 1767225600_000000},
		{"no zone, one configured", "2026-01-01 00:00:00.123456789", berlin, 1767222000_123456},
		{"no zone, in summer", "2026-07-01 00:00:00", berlin, 1782856800_000000},
		{"a date", "2026-01-01", berlin, 1767222000_000000},
		{"a leap day", "2024-02-29 00:00:00", nil, 1709164800_000000},
		{"a leap second", "2016-12-31 23:59:60", nil, 1483228800_000000},
		{"fraction before the epoch floors", "1969-12-31 23:59:59.9999999", nil, -1},
		{"no end", "9999-12-31 23:59:59", nil, farFuture},
		{"no end, as a date", "9999-12-31", nil, farFuture},
		{"no end, native", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), nil, farFuture},
		{"a valuer", valuer{int64(3)}, nil, 3_000000},
		{"a large integer type", big.NewInt(5), nil, 5_000000},
		{"the first year that is one", time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC), nil, -62104060800_000000},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out collector
			err := Send(query(t, both("k", c.v)), &out, Options{Zone: c.zone})
			if err != nil || len(out.rows) != 1 || out.rows[0].us != c.want {
				t.Errorf("got %v %v, want %d", out.rows, err, c.want)
			}
		})
	}
}

func TestTimesThatAreNone(t *testing.T) {
	none := "which is no time"
	for _, c := range []struct {
		v    driver.Value
		want string
	}{
		{int64(1700000000000), "its dwmon_timestamp is 1700000000000, too large for seconds since the epoch; it looks like milliseconds: divide by 1000 in the query"},
		{int64(-1700000000000), "milliseconds"},
		{int64(100_000_000_000), "milliseconds"},
		{int64(1700000000000000), "microseconds: divide by 1000000 in"},
		{int64(1700000000000000000), "nanoseconds: divide by 1000000000 in"},
		{int64(math.MinInt64), "nanoseconds"},
		{1.7e12, "its dwmon_timestamp is 1700000000000, too"},
		{"1700000000000.5", "1700000000000.5, too large for seconds since the epoch; it looks like milliseconds"},
		{"1700000000000000", "microseconds"},
		{"-1700000000000000000", "nanoseconds"},
		{"1e300", "nanoseconds"},
		{"1" + strings.Repeat("0", 500), "nanoseconds"},
		{math.NaN(), "its dwmon_timestamp is NaN, " + none},
		{math.Inf(-1), "-Inf"},
		{true, "a boolean and no time"},
		{time.Unix(1_700_000_000_000, 0), "lies in the year 55840; if it was made from milliseconds"},
		{time.Unix(-2e11, 0), "lies in the year -"},
		{time.Date(0, 1, 1, 12, 30, 0, 0, time.UTC), "its dwmon_timestamp lies in the year 0: a time of day is no time: add its date"},
		{time.Date(0, 1, 1, 0, 30, 0, 0, time.FixedZone("", 3600)), "the year 0: a time of day is no time"},
		{time.Date(1, 1, 1, 23, 59, 59, 0, time.UTC), "the year 1: a time of day is no time"},
		{time.Time{}, "a time of day is no time"},
		{"", none},
		{"  ", none},
		{"soon", `is "soon", ` + none + "; want seconds since the epoch, or YYYY-MM-DD HH:MM:SS"},
		{"1e", none},
		{"e5", none},
		{".", none},
		{"-", none},
		{"1.2.3", none},
		{"1e5.5", none},
		{"--5", none},
		{"0x10", none},
		{"1_000", none},
		{"NaN", none},
		{"infinity", none},
		{"0000-00-00 00:00:00", none},
		{"2026-02-29", none},
		{"2026-13-01", none},
		{"2026-1-1", none},
		{"2026-01-01 24:00:00", none},
		{"2026-01-01 00:60:00", none},
		{"2026-01-01 00:00:61", none},
		{"2026-01-01 00:00", none},
		{"2026-01-01 00:00:00.", none},
		{"2026-01-01 00:00:00 CET", none},
		{"2026-01-01 00:00:00+1", none},
		{"2026-01-01 00:00:00+24", none},
		{"2026-01-01 00:00:00Zx", none},
		{"2026-01-01 00:00:00+00 CET", none},
		{"2026-01-01T", none},
		{"01/02/2026", none},
		{"２026-01-01", none},
		{strings.Repeat("x", 1000), "xxx…"},
		{[]int{1}, "is of a type that is no time ([]int)"},
		{[16]byte{}, "is of a type that is no time"},
	} {
		r := both("k", c.v)
		r.rows = append([][]driver.Value{{"first", nil}}, r.rows...)
		var out collector
		err := Send(query(t, r), &out, Options{})
		if err == nil || !strings.HasPrefix(err.Error(), "row 2: ") || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 300 {
			t.Errorf("%v: got %v, want %q", c.v, err, c.want)
		}
		if out.skipped != 1 {
			t.Error("NULL was not counted")
		}
	}
}

func TestZonelessNativeTimes(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 5000, time.UTC)
	for _, c := range []struct {
		dbType string
		want   time.Duration
	}{{"TIMESTAMP", -2 * time.Hour}, {"TIMESTAMPTZ", 0}} {
		r := both("k", at)
		r.types = []string{"TEXT", c.dbType}
		var out collector
		err := Send(query(t, r), &out, Options{Zone: mustZone(t, "Europe/Berlin"), ZonelessTypes: []string{"TIMESTAMP"}})
		if want := at.Add(c.want).UnixMicro(); err != nil || out.rows[0].us != want {
			t.Errorf("%s: %v %v, want %d", c.dbType, out.rows, err, want)
		}
	}
}

func TestSendFailsWholly(t *testing.T) {
	broken := errors.New("connection lost")
	r := both("k", int64(1))
	r.err = broken
	if err := Send(query(t, r), &collector{}, Options{}); !errors.Is(err, broken) {
		t.Error("a result that ended early ends well:", err)
	}
	full := errors.New("full")
	r = both("k", int64(1))
	r.endless = true
	if err := Send(query(t, r), &collector{fail: full}, Options{}); err != full || !r.closed {
		t.Error("the sink's error:", err, r.closed)
	}
}

// naive reads a decimal number by way of exact fractions.
func naive(text string) (int64, bool) {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, false
	}
	r.Mul(r, big.NewRat(1e6, 1))
	floor := new(big.Int).Div(r.Num(), r.Denom()) // Euclidean: floors for a positive denominator
	limit := big.NewInt(maxSeconds)
	limit.Mul(limit, big.NewInt(1e6))
	if floor.CmpAbs(limit) >= 0 {
		return 0, false
	}
	return floor.Int64(), true
}

func TestNumbersAgreeWithExactFractions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[+-]?[0-9]{1,14}(\.[0-9]{0,12})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "text")
		want, ok := naive(text)
		got, err := ParseTimestamp(text, nil)
		if ok != (err == nil) || got != want {
			t.Fatalf("%s: got %d %v, want %d %t", text, got, err, want, ok)
		}
		bytes, _, err2 := Timestamp([]byte(text), nil)
		if bytes != got || (err == nil) != (err2 == nil) {
			t.Fatalf("%s: bytes give %d", text, bytes)
		}
	})
}

func TestFloatsAgreeWithExactFractions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64Range(-9e10, 9e10).Draw(t, "f")
		got, _, err := Timestamp(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := new(big.Rat).SetFloat64(f)
		r.Mul(r, big.NewRat(1e6, 1)).Sub(r, new(big.Rat).SetInt64(got)).Abs(r)
		if r.Cmp(big.NewRat(500001, 1000000)) > 0 {
			t.Fatalf("%v became %d, more than half a microsecond away", f, got)
		}
	})
}

func TestTimesInWordsAgreeWithPackageTime(t *testing.T) {
	zones := []*time.Location{time.UTC, mustZone(t, "America/St_Johns"), mustZone(t, "Asia/Kolkata"), mustZone(t, "Europe/Berlin")}
	layouts := []string{
		time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07", "2006-01-02 15:04:05.000000Z0700", "2006-01-02T15:04:05.999999999 -0700",
	}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		at := time.Unix(rapid.Int64Range(0, 4_000_000_000).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).In(zone)
		layout := rapid.SampledFrom(layouts).Draw(t, "layout")
		if _, offset := at.Zone(); offset%3600 != 0 && strings.HasSuffix(layout, "Z07") {
			layout = layouts[0]
		}
		text := at.Format(layout)
		got, err := ParseTimestamp(text, zones[1])
		if err != nil || got != at.UnixMicro() {
			t.Fatalf("%s: got %d %v, want %d", text, got, err, at.UnixMicro())
		}
		wall := at.Format("2006-01-02 15:04:05.999999999")
		want, _ := time.ParseInLocation("2006-01-02 15:04:05.999999999", wall, zone)
		if got, err := ParseTimestamp(wall, zone); err != nil || got != want.UnixMicro() {
			t.Fatalf("%s in %v: got %d %v, want %d", wall, zone, got, err, want.UnixMicro())
		}
	})
}

func FuzzParseTimestamp(f *testing.F) {
	for _, s := range []string{"1.5", "-1e5", "2026-01-01T00:00:00Z", "2026-01-01 00:00:00.5+01:30", "", "e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		us, err := ParseTimestamp(s, nil)
		if err == nil && (us >= maxSeconds*1_000_000 || us <= -maxSeconds*1_000_000) {
			t.Errorf("%q is %d", s, us)
		}
	})
}

func TestSendAllocatesNothingPerRow(t *testing.T) {
	rows := make([][]driver.Value, 5000)
	for i := range rows {
		at := []driver.Value{int64(1_700_000_000), []byte("1700000000.5"), "2026-01-01 00:00:00", time.Now(), 1.5}[i%5]
		rows[i] = []driver.Value{[]driver.Value{[]byte("key"), "key", int64(123456789)}[i%3], at, "other"}
	}
	per := func(n int) float64 {
		return testing.AllocsPerRun(5, func() {
			var out counter
			if err := Send(query(t, &result{columns: []string{KeyColumn, TimeColumn, "x"}, rows: rows[:n]}), &out, Options{}); err != nil || out.n != n {
				t.Error(err, out.n)
			}
		})
	}
	if few, many := per(10), per(5000); many > few+10 {
		t.Errorf("10 rows cost %v allocations, 5,000 rows %v", few, many)
	}
}

func BenchmarkSend(b *testing.B) {
	for name, at := range map[string]driver.Value{"integer": int64(1_700_000_000), "text": "2026-01-01 00:00:00.5", "native": time.Now()} {
		b.Run(name, func(b *testing.B) {
			rows := make([][]driver.Value, 10_000)
			for i := range rows {
				rows[i] = []driver.Value{[]byte(fmt.Sprintf("key-%020d", i)), at}
			}
			b.ReportAllocs()
			for b.Loop() {
				var out counter
				if err := Send(query(b, &result{columns: []string{KeyColumn, TimeColumn}, rows: rows}), &out, Options{}); err != nil || out.n != len(rows) {
					b.Fatal(err, out.n)
				}
			}
			b.ReportMetric(float64(b.N*len(rows))/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}
