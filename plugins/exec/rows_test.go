package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/pluginsdk"
)

func TestRowsThatAreRead(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, format, text string
		want               []string
		nulls              int
	}{
		{"nothing", "", "", nil, 0},
		{"nothing but blank lines", "tsv", "\n\r\n\n", nil, 0},
		{"seconds, fractions, words", "", "a\t60\nb\t60.5\nc\t1970-01-01T00:01:00Z\nd\t1970-01-01 00:01:00+00:30\n", []string{`"a" 60000000`, `"b" 60500000`, `"c" 60000000`, `"d" -1740000000`}, 0},
		{"no zone: the setting's", "tsv", "a\t1970-01-01 01:01:00\n", []string{`"a" 60000000`}, 0},
		{"escapes", "tsv", `a\tb\nc\rd\\t\xff` + "\t1\n", []string{`"a\tb\nc\rd\\t\xff" 1000000`}, 0},
		{"bytes as they are", "tsv", "\xff \"é\"\t1\n", []string{`"\xff \"é\"" 1000000`}, 0},
		{"an empty key", "tsv", "\t1\n", []string{`"" 1000000`}, 0},
		{"no time", "tsv", "a\t\nb\t \nc\t1\n", []string{`"c" 1000000`}, 2},
		{"CRLF", "tsv", "a\t1\r\n", []string{`"a" 1000000`}, 0},
		{"a key of 1 MiB, escaped", "tsv", strings.Repeat(`\x61`, 1<<20) + "\t1\n", []string{`"` + strings.Repeat("a", 1<<20) + `" 1000000`}, 0},

		{"objects", "ndjson", `{"key":"a","time":1.5}` + "\n\n" + `{"time":"1970-01-01T00:01:00Z","more":[1],"key":12}` + "\n", []string{`"a" 1500000`, `"12" 60000000`}, 0},
		{"long numbers", "ndjson", `{"key":123456789012345678901234567890,"time":1.0000019}` + "\n", []string{`"123456789012345678901234567890" 1000001`}, 0},
		{"null", "ndjson", `{"key":"a","time":null}` + "\n", nil, 1},
		{"escapes of JSON", "ndjson", `{"key":"\u00e9\ud83d\ude00\udcff\n","time":"1"}` + "\n", []string{`"é😀\xff\n" 1000000`}, 0},

		{"records", "csv", "a,1\n\"b,\"\"\n\",2.5\nc,\n", []string{`"a" 1000000`, `"b,\"\n" 2500000`}, 1},
		{"named columns", "csv", "id,dwmon_timestamp,name,dwmon_unique_key\n1,60,x,a\n2,61,y,b\n", []string{`"a" 60000000`, `"b" 61000000`}, 0},
		{"names and no rows", "csv", "dwmon_unique_key,dwmon_timestamp\n", nil, 0},
	} {
		t.Run(c.format+" "+c.name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{"at once": strings.NewReader(c.text), "byte by byte": iotest.OneByteReader(strings.NewReader(c.text))} {
				out := &sink{}
				if err := readRows(c.format, r, out, berlin); err != nil || !slices.Equal(out.rows, c.want) || out.nulls != c.nulls {
					t.Errorf("%s: %v, %d without a time, %v; want %v and %d", how, out.rows, out.nulls, err, c.want, c.nulls)
				}
			}
		})
	}
}

func TestRowsThatAreFaults(t *testing.T) {
	for _, c := range []struct{ name, format, text, want string }{
		{"no tab", "tsv", "a\t1\n\nb 2\n", `line 3 of its output: "b 2" holds no tab; want a key, a tab and a time`},
		{"two tabs", "tsv", "a\tb\t1\n", `line 1 of its output: it holds more than one tab`},
		{"no time", "tsv", "a\t1\nb\tsoon\n", `line 2 of its output: its dwmon_timestamp is "soon", which is no time`},
		{"milliseconds", "tsv", "a\t1780315229000\n", "divide by 1000"},
		{"an escape that is none", "tsv", `C:\users` + "\t1\n", `line 1 of its output: its key holds "\\u", which is no escape; there are \t, \n, \r, \\ and \xHH`},
		{"half an escape", "tsv", `a\` + "\t1\n", `its key holds "\\", which is no escape`},
		{"half of hexadecimal", "tsv", `a\xf` + "\t1\n", "which is no escape"},
		{"a line beyond all bounds", "tsv", "a\t1\n" + strings.Repeat("x", maxLine+1), "line 2 of its output: it is longer than 8 MiB"},
		{"no object", "ndjson", "[1]\n", `line 1 of its output: "[1]" is no object with "key" and "time"`},
		{"no JSON", "ndjson", `{"key":"a","time":1}` + "\n" + `{"key":` + "\n", "line 2 of its output"},
		{"no key", "ndjson", `{"time":1}` + "\n", `it has no "key"`},
		{"a key that is null", "ndjson", `{"key":null,"time":1}` + "\n", "its key is null"},
		{"a key that is a list", "ndjson", `{"key":["a"],"time":1}` + "\n", "want a text or a number"},
		{"half a surrogate", "ndjson", `{"key":"\ud800","time":1}` + "\n", "half of a surrogate pair"},
		{"no time member", "ndjson", `{"key":"a"}` + "\n", `it has no "time"`},
		{"an empty time", "ndjson", `{"key":"a","time":""}` + "\n", "write null"},
		{"a time that is true", "ndjson", `{"key":"a","time":true}` + "\n", `its time is "true"`},
		{"too many fields", "csv", "a,1\n\nb,2,3\n", "line 3 of its output: it has 3 fields, and not 2"},
		{"too few for the names", "csv", "dwmon_timestamp,x,dwmon_unique_key\n1,2\n", "line 2 of its output: it has 2 fields, and not 3"},
		{"a stray quote", "csv", "a\"b,1\nc,2\n", "line 1 of its output: bare \""},
		{"a quote that is never closed", "csv", "a,1\n\"" + strings.Repeat("x\n", maxLine), "is a quote missing?"},
	} {
		t.Run(c.format+" "+c.name, func(t *testing.T) {
			err := readRows(c.format, strings.NewReader(c.text), &sink{}, time.UTC)
			if err == nil || !strings.Contains(err.Error(), c.want) || pluginsdk.ClassOf(err) != pluginsdk.ClassChecker {
				t.Errorf("%v (%s), want %q", err, pluginsdk.ClassOf(err), c.want)
			}
		})
	}
}

func TestRowsThatAreCutOff(t *testing.T) {
	for format, text := range map[string]string{
		"tsv": "a\t1\nb\t17803", "ndjson": `{"key":"a","time":1}` + "\n" + `{"key":"b","time":1}`, "csv": "a,1\nb,17803",
	} {
		var cut errUnended
		if err := readRows(format, strings.NewReader(text), &sink{}, time.UTC); !errors.As(err, &cut) || cut.line != 2 {
			t.Errorf("%s: %v, want one that says so of line 2", format, err)
		}
	}
	if err := readRows("csv", strings.NewReader("a,1\n\"b"), &sink{}, time.UTC); !errors.As(err, new(errUnended)) {
		t.Errorf("csv within quotes: %v", err)
	}
}

func TestRowsEndWithTheHostsPatience(t *testing.T) {
	for format, text := range map[string]string{"tsv": "a\t1\nb\t2\nc\t3\n", "csv": "a,1\nb,2\nc,3\n", "ndjson": strings.Repeat(`{"key":"a","time":1}`+"\n", 3)} {
		out := &sink{full: 2}
		if err := readRows(format, strings.NewReader(text), out, time.UTC); !errors.Is(err, errFull) || len(out.rows) != 2 {
			t.Errorf("%s: %v after %d rows", format, err, len(out.rows))
		}
	}
}

// printed is a row in each format; null stands for a row without a time.
type printed struct {
	key    string
	micros int64
	null   bool
}

func (p printed) at() string {
	if p.null {
		return ""
	}
	sign, us := "", p.micros
	if us < 0 {
		sign, us = "-", -us
	}
	return fmt.Sprintf("%s%d.%06d", sign, us/1e6, us%1e6)
}

// printTSV writes as few escapes as the format asks for.
func printTSV(rows []printed) []byte {
	var b bytes.Buffer
	escape := strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)
	for _, r := range rows {
		fmt.Fprintf(&b, "%s\t%s\n", escape.Replace(r.key), r.at())
	}
	return b.Bytes()
}

func printNDJSON(rows []printed) []byte {
	var b bytes.Buffer
	for _, r := range rows {
		key, _ := json.Marshal(r.key)
		at := r.at()
		if r.null {
			at = "null"
		}
		fmt.Fprintf(&b, `{"key":%s,"time":%s}`+"\n", key, at)
	}
	return b.Bytes()
}

func printCSV(rows []printed) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, r := range rows {
		_ = w.Write([]string{r.key, r.at()})
	}
	w.Flush()
	return b.Bytes()
}

// TestRowsAreReadAsTheyWerePrinted prints random rows and reads them again.
func TestRowsAreReadAsTheyWerePrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		format := rapid.SampledFrom([]string{"tsv", "ndjson", "csv"}).Draw(t, "format")
		key := rapid.String()
		if format == "tsv" {
			key = rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) })
		}
		if format == "csv" { // encoding/csv takes \r\n within quotes for \n
			key = key.Filter(func(s string) bool { return !strings.Contains(s, "\r") })
		}
		var rows []printed
		want := &sink{}
		for range rapid.IntRange(0, 20).Draw(t, "rows") {
			r := printed{key.Draw(t, "key"), rapid.Int64Range(-1e15, 1e16).Draw(t, "micros"), rapid.IntRange(0, 5).Draw(t, "null") == 0}
			if format == "ndjson" && !utf8.ValidString(r.key) {
				continue
			}
			rows = append(rows, r)
			if r.null {
				want.SkipNull()
			} else if err := want.AppendMicros(r.key, r.micros); err != nil {
				t.Fatal(err)
			}
		}
		print := map[string]func([]printed) []byte{"tsv": printTSV, "ndjson": printNDJSON, "csv": printCSV}[format]
		got := &sink{}
		if err := readRows(format, bytes.NewReader(print(rows)), got, time.UTC); err != nil || !slices.Equal(got.rows, want.rows) || got.nulls != want.nulls {
			t.Fatalf("%v: read %v, printed %v", err, got.rows, want.rows)
		}
	})
}

// FuzzRows: whatever a program prints is rows, or a fault with its line; and rows
// that were read can be printed and read again.
func FuzzRows(f *testing.F) {
	f.Add(byte(0), []byte("a\t60\nb\\t\\x00\t1970-01-01T00:01:00Z\n\t\n"))
	names := []string{"tsv", "ndjson", "csv"}
	f.Fuzz(func(t *testing.T, which byte, text []byte) {
		format := names[int(which)%len(names)]
		out := &keeper{}
		err := readRows(format, bytes.NewReader(text), out, time.UTC)
		if err != nil {
			var cut errUnended
			switch {
			case errors.As(err, &cut) && (cut.line < 1 || cut.line > bytes.Count(text, []byte("\n"))+1):
				t.Fatalf("%v: there is no such line in %q", err, text)
			case !errors.As(err, &cut) && (pluginsdk.ClassOf(err) != pluginsdk.ClassChecker || !strings.Contains(err.Error(), "line ")):
				t.Fatalf("%s: %v (%s) for %q", format, err, pluginsdk.ClassOf(err), text)
			}
			return
		}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			t.Fatalf("%s: %q has no end and was taken", format, text)
		}
		again := &keeper{}
		if err := readRows("tsv", bytes.NewReader(printTSV(out.rows)), again, time.UTC); err != nil || !slices.Equal(again.rows, out.rows) {
			t.Fatalf("%s: %q was read as %v, and that again as %v, %v", format, text, out.rows, again.rows, err)
		}
	})
}

// keeper is a sink that keeps the rows.
type keeper struct {
	sink
	rows []printed
}

func (k *keeper) AppendBytes(key []byte, us int64) error {
	k.rows = append(k.rows, printed{key: string(key), micros: us})
	return nil
}
