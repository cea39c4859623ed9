package bridge

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/pluginsdk"
)

// kept is a sink that keeps what it is given.
type kept struct {
	pluginsdk.RowSink
	keys    []string
	micros  []int64
	skipped int
}

func (k *kept) AppendBytes(key []byte, us int64) error {
	k.keys, k.micros = append(k.keys, string(key)), append(k.micros, us)
	return nil
}

func (k *kept) SkipNull() { k.skipped++ }

func TestRowsOfAFrame(t *testing.T) {
	line := `{"id":7, "keys": ["a", "gr\u00f6\u00dfe \ud83d\ude00", "\"\\\/\b\f\n\r\t", "\udcff\udc80x", 12, -7, 1.5, 1e21, "n", ""] ,` +
		` "ts":[1, -2 , "1764000000.25", "2026-06-01T12:00:00+02:00", 3,4,5,6,null, 8 ]}`
	f, err := parseFrame([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	out := &kept{}
	rows := &rowReader{out: out}
	if err := rows.take(f); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "größe 😀", "\"\\/\b\f\n\r\t", "\xff\x80x", "12", "-7", "1.5", "1e+21", ""}, out.keys); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{1, -2, 1764000000250000, 1780308000000000, 3, 4, 5, 6, 8}, out.micros); diff != "" {
		t.Error(diff)
	}
	if out.skipped != 1 || rows.rows != 10 {
		t.Errorf("%d skipped of %d", out.skipped, rows.rows)
	}
}

func TestFaultsOfFrames(t *testing.T) {
	for line, want := range map[string]string{
		`{"id":7,"keys":["a"],"ts":[]}`:                            "a frame has not as many keys as ts",
		`{"id":7,"keys":[],"ts":[1]}`:                              "a frame has not as many keys as ts",
		`{"id":7,"keys":["a"]}`:                                    `a frame has no list "ts"`,
		`{"id":7}`:                                                 `a frame has no list "keys"`,
		`{"id":7,"keys":{"a":1},"ts":[1]}`:                         `a frame has no list "keys"`,
		`{"id":7,"keys":[["a"]],"ts":[1]}`:                         "holds a list or an object",
		`{"id":7,"keys":["a",null],"ts":[1,1]}`:                    "row 2: its key is null",
		`{"id":7,"keys":[true],"ts":[1]}`:                          "row 1: its key is true; want a text or a number",
		`{"id":7,"keys":[1e999],"ts":[1]}`:                         "too large a number",
		`{"id":7,"keys":["\ud800"],"ts":[1]}`:                      `row 1: its key: it holds half of a surrogate pair (\ud800)`,
		`{"id":7,"keys":["\ud800\n"],"ts":[1]}`:                    "half of a surrogate pair",
		`{"id":7,"keys":["a"],"ts":[1.5]}`:                         "row 1: its ts is 1.5; want whole microseconds",
		`{"id":7,"keys":["a"],"ts":[true]}`:                        "its ts is true",
		`{"id":7,"keys":["a"],"ts":["1764000000000"]}`:             "it looks like milliseconds",
		`{"id":7,"keys":["a"],"ts":[123456789012345678901234567]}`: "want whole microseconds",
		`{"keys":["a"],"ts":[1]}`:                                  "it has no id",
		`hello`:                                                    "it is no frame",
		`[1]`:                                                      "it is no frame",
		``:                                                         "it is no frame",
	} {
		f, err := parseFrame([]byte(line))
		if err == nil {
			err = (&rowReader{out: &kept{}}).take(f)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", line, err, want)
		}
	}
}

func TestCountsMustAgree(t *testing.T) {
	for count, want := range map[string]string{`,"count":2`: "", `,"count":3`: "it sent 3 rows, and 2 came", ``: "has no count"} {
		f, err := parseFrame([]byte(`{"id":1,"done":true` + count + `}`))
		if err != nil {
			t.Fatal(err)
		}
		err = (&rowReader{rows: 2}).finish(f)
		if got := fmt.Sprint(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %q", count, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	in := bufio.NewReaderSize(strings.NewReader("a\nb\r\n\n"+strings.Repeat("c", 100_000)+"\nrest"), 16)
	for _, want := range []string{"a", "b", "", strings.Repeat("c", 100_000)} {
		if line, err := readLine(in); err != nil || string(line) != want {
			t.Errorf("%.20q (%d), %v", line, len(line), err)
		}
	}
	if line, err := readLine(in); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", line, err)
	}
	for size, want := range map[int]error{MaxLine: nil, MaxLine + 1: errLongLine} {
		_, err := readLine(bufio.NewReader(io.MultiReader(strings.NewReader(strings.Repeat("x", size)), strings.NewReader("\n"))))
		if !errors.Is(err, want) {
			t.Errorf("a line of %d bytes: %v", size, err)
		}
	}
}

// TestRequestsAreASCII writes any text and reads it back.
func TestRequestsAreASCII(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := struct{ Text, Extra string }{rapid.String().Draw(t, "text"), rapid.String().Draw(t, "extra")}
		inner, _ := json.MarshalIndent(map[string]string{"e": want.Extra}, "", "\t")
		line, err := encodeRequest(42, struct {
			Text  string          `json:"text"`
			Extra json.RawMessage `json:"extra"`
		}{want.Text, inner})
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range line {
			if c >= utf8.RuneSelf || c < ' ' && i != len(line)-1 {
				t.Fatalf("%q holds %#x", line, c)
			}
		}
		var got struct {
			ID    int
			Text  string
			Extra struct{ E string }
		}
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
		if got.ID != 42 || got.Text != strings.ToValidUTF8(want.Text, "\uFFFD") || got.Extra.E != strings.ToValidUTF8(want.Extra, "\uFFFD") {
			t.Fatalf("%+v", got)
		}
	})
	for _, wrong := range []any{[]int{1}, nil, "text", func() {}} {
		if line, err := encodeRequest(1, wrong); err == nil {
			t.Errorf("%v: %s", wrong, line)
		}
	}
	if line, err := encodeRequest(1, struct{}{}); err != nil || string(line) != "{\"id\":1}\n" {
		t.Errorf("%s, %v", line, err)
	}
	if _, err := encodeRequest(1, map[string]string{"q": strings.Repeat("x", MaxLine)}); err == nil {
		t.Error("a request longer than a line may be")
	}
}

func TestCutoff(t *testing.T) {
	for raw, want := range map[string]string{
		``: "keep", `null`: "keep", `0`: "keep", ` 12 `: "12", `-12`: "-12",
		`1340000000000`: "too large for seconds", `1.5`: "want whole seconds", `"12"`: "want whole seconds",
	} {
		cut, err := cutoff(json.RawMessage(raw))
		got := "keep"
		if at, ok := cut.OlderThan(); ok {
			got = strconv.FormatInt(at.Unix(), 10)
		}
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

// FuzzFrames reads any lines as a worker's, and compares the rows with what
// encoding/json makes of them.
func FuzzFrames(f *testing.F) {
	f.Add([]byte(`{"id":7,"keys":["a","\u00f6",1,1.5],"ts":[1,-2,null,"2026-06-01 12:00:00"]}` + "\n" + `{"id":7,"done":true,"count":4}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		in := bufio.NewReaderSize(strings.NewReader(string(text)), 16)
		for {
			line, err := readLine(in)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, errLongLine) {
					t.Fatal(err)
				}
				return
			}
			frame, err := parseFrame(line)
			if err != nil {
				continue
			}
			out := &kept{}
			rows := &rowReader{out: out, zone: time.UTC}
			if rows.take(frame) == nil {
				compare(t, frame, out)
			}
			_, _ = cutoff(frame.Cutoff)
		}
	})
}

// compare holds the rows against encoding/json. It turns what is no character into
// U+FFFD; bytes are all that such keys may differ by.
func compare(t *testing.T, frame *Frame, out *kept) {
	var keys []any
	var times []any
	if json.Unmarshal(frame.Keys, &keys) != nil || json.Unmarshal(frame.TS, &times) != nil {
		return // numbers that are too large for a float
	}
	if len(keys) != len(times) || len(out.keys)+out.skipped != len(keys) {
		t.Fatalf("%d keys, %d times, %d rows, %d skipped", len(keys), len(times), len(out.keys), out.skipped)
	}
	at := 0
	for i, key := range keys {
		if times[i] == nil {
			continue
		}
		if want, ok := key.(string); ok && !strings.Contains(want, "\uFFFD") && want != out.keys[at] {
			t.Fatalf("key %d is %q, and was read as %q", i, want, out.keys[at])
		}
		at++
	}
}
