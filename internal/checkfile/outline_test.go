package checkfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOutlineOfABrokenFile(t *testing.T) {
	const text = "\ufeff# head\r\n__QUERY__\r\nSELECT 1\r\n__REQUIREMENTS__ CHECKHOURS0-5\r\n\r\n# no\r\n  CHECKMINUTS5 MINNUM x\r\n__SOURSE__\r\nX\r\n__QUERY__\r\n"
	o := NewOutline([]byte(text))
	var got []string
	for _, s := range o.Sections {
		got = append(got, s.Mark+" "+o.Text(s.Marker)+" "+strings.TrimSpace(o.Text(s.Body)))
		for _, l := range s.Lines {
			got = append(got, "line: "+o.Text(l.Span))
			for _, tok := range l.Tokens {
				got = append(got, "token: "+tok.Name+" "+tok.Value+" "+o.Text(tok.Span))
			}
		}
	}
	want := []string{
		"__QUERY__ __QUERY__ SELECT 1",
		"__REQUIREMENTS__ __REQUIREMENTS__ CHECKHOURS0-5\r\n\r\n# no\r\n  CHECKMINUTS5 MINNUM x",
		"line:  CHECKHOURS0-5",
		"token: CHECKHOURS 0-5 CHECKHOURS0-5",
		"line:   CHECKMINUTS5 MINNUM x",
		"token:   CHECKMINUTS5",
		"token: MINNUM  MINNUM",
		"token:   x",
		"__SOURCE__ __SOURSE__ X",
		"__QUERY__ __QUERY__ ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if o.Has("__EXTRA__") || !o.Has("__SOURCE__") {
		t.Error("the outline has sections that are not there, or lacks one that is")
	}
	if s := o.At(strings.Index(text, "SELECT")); s == nil || s.Mark != "__QUERY__" {
		t.Errorf("the query lies in %v", s)
	}
	if s := o.At(5); s != nil {
		t.Errorf("what stands before the first section lies in %v", s)
	}
}

// checkOutline says what must hold of the outline of any text: its parts lie
// within the text, in order, and the lines of a good file are the checker's.
func checkOutline(t interface{ Errorf(string, ...any) }, text []byte) {
	o := NewOutline(text)
	end := 0
	for _, s := range o.Sections {
		if s.Marker.From < end || s.Marker.To < s.Marker.From || s.Body.From < s.Marker.To || s.Body.To < s.Body.From || s.Body.To > len(text) {
			t.Errorf("the section %+v is out of place; the one before ends at %d of %d", s, end, len(text))
			return
		}
		end = s.Body.To
		at := s.Marker.To
		for _, l := range s.Lines {
			if l.Span.From < at || l.Span.To > s.Body.To {
				t.Errorf("the line %+v is out of its section %+v", l, s)
			}
			at = l.Span.From
			for _, tok := range l.Tokens {
				if tok.Span.From < at || tok.Span.To > l.Span.To || tok.Name != "" && o.Text(tok.Span) != tok.Name+tok.Value {
					t.Errorf("the token %+v is out of place in %+v", tok, l)
				}
				at = tok.Span.To
			}
		}
	}
	c, _ := Parse("", "", text)
	if c == nil {
		return
	}
	var at int
	for _, s := range o.Sections {
		for _, l := range s.Lines {
			r, ok := o.Requirement(l)
			if !ok || at >= len(c.Lines) || r != c.Lines[at] {
				t.Errorf("line %d of a good file is %+v (%v) in the outline, which is not the checker's", l.Number, r, ok)
				return
			}
			at++
		}
	}
	if at != len(c.Lines) {
		t.Errorf("the outline has %d of the checker's %d lines", at, len(c.Lines))
	}
}

func TestOutlineOfEveryCase(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*.txtar")
	more, _ := filepath.Glob("../../checks/*.dwmon")
	if len(paths) < 10 || len(more) < 3 {
		t.Fatal("the cases are gone")
	}
	for _, path := range append(paths, more...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, isCase := strings.Cut(string(text), "-- input.dwmon --\n")
		if isCase {
			rest, _, _ = strings.Cut(rest, "-- want --\n")
			text = []byte(rest)
		}
		checkOutline(t, text)
	}
}

func FuzzOutline(f *testing.F) {
	f.Add([]byte("__QUERY__\nx\n__REQUIREMENTS__\nCHECKHOURS0 CHECKMINUTES0 WEEKDAYS MAXNUM0 LOOKBACKSECONDS1\n__SOURCE__\ny"))
	f.Add([]byte("__REQUIREMENTS__:x\r\ny"))
	f.Add([]byte("\ufeff__SOURCE__ __QUERY__\n_QUERY_\n"))
	f.Fuzz(func(t *testing.T, text []byte) { checkOutline(t, text) })
}
