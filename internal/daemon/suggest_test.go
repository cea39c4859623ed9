package daemon

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/sqlite"
	"github.com/dwmon/dwmon/internal/suggest"
)

const suggestedTo = "# the query\r\n__QUERY__\r\nSELECT 1\r\n__REQUIREMENTS__\r\n# old\r\nCHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS60\r\n__SOURCE__\r\nS\r\n__OPTIONS__\r\n# mine\r\nowner: shop\r\n"

// suggestion is one for a file with that text.
func suggestion(t *testing.T) *Suggestion {
	t.Helper()
	path := filepath.Join(t.TempDir(), "orders.dwmon")
	if err := os.WriteFile(path, []byte(suggestedTo), 0o640); err != nil {
		t.Fatal(err)
	}
	f := checkerFiles.ReadFile(path, "orders")
	if f.Checker == nil {
		t.Fatal(f.Faults)
	}
	line := f.Checker.Lines[0]
	line.Min, line.Max = dwmon.At(5), dwmon.At(50)
	p := &suggest.Proposal{Lines: []suggest.Line{{Requirement: line}}, From: 0, Until: 14 * 86400}
	return &Suggestion{Proposal: p, Checker: f.Checker, Zone: time.UTC, Text: p.Text(time.UTC, 1)}
}

func TestWriteSuggestion(t *testing.T) {
	s := suggestion(t)
	if err := s.Write(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(s.Checker.File)
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(suggestedTo, "# old\r\nCHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS60")
	if !strings.HasPrefix(string(got), before) || !strings.HasSuffix(string(got), after) {
		t.Errorf("what is outside of the lines did not stay:\n%q", got)
	}
	if !strings.Contains(string(got), "\r\nCHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM5 MAXNUM50 LOOKBACKSECONDS60\r\n") {
		t.Errorf("the line is not there:\n%q", got)
	}
	if info, err := os.Stat(s.Checker.File); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("its mode is %v (%v)", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(s.Checker.File), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := s.Write(); !errors.Is(err, ErrFileChanged) {
		t.Errorf("written over what was written: %v", err)
	}
}

func TestWriteSuggestionRefuses(t *testing.T) {
	var env *EnvironmentError
	tests := []struct {
		name  string
		spoil func(*testing.T, *Suggestion)
		want  func(error) bool
	}{
		{"a file that was edited meanwhile", func(t *testing.T, s *Suggestion) {
			if err := os.WriteFile(s.Checker.File, []byte(suggestedTo+"# edited\r\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, func(err error) bool { return errors.Is(err, ErrFileChanged) }},
		{"a file that is gone", func(t *testing.T, s *Suggestion) {
			if err := os.Remove(s.Checker.File); err != nil {
				t.Fatal(err)
			}
		}, func(err error) bool { return errors.As(err, &env) }},
		{"lines that do not parse", func(_ *testing.T, s *Suggestion) { s.Text = []string{"CHECKHOURS25"} }, func(err error) bool {
			var faults dwmon.FileFaults
			return errors.As(err, &faults)
		}},
		{"lines that say something else", func(_ *testing.T, s *Suggestion) { s.Lines[0].Max = dwmon.At(51) }, func(err error) bool {
			return err != nil && strings.Contains(err.Error(), "would not say what is proposed")
		}},
		{"text that breaks out of its section", func(_ *testing.T, s *Suggestion) {
			s.Text = append(s.Text, "__EXTRA__", `{"a": 1}`)
		}, func(err error) bool { return err != nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := suggestion(t)
			tt.spoil(t, s)
			before, _ := os.ReadFile(s.Checker.File)
			if err := s.Write(); !tt.want(err) {
				t.Errorf("the error is %v", err)
			}
			if after, _ := os.ReadFile(s.Checker.File); !bytes.Equal(before, after) {
				t.Errorf("the file was changed to %q", after)
			}
		})
	}
}

func TestWriteSuggestionKeepsTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	s := suggestion(t)
	if err := os.Chown(s.Checker.File, 12345, 23456); err != nil {
		t.Skip(err)
	}
	before, err := os.Stat(s.Checker.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(s.Checker.File)
	if err != nil || os.SameFile(before, after) {
		t.Fatalf("the file was not replaced (%v)", err)
	}
	if a, b := owner(before), owner(after); a != b {
		t.Errorf("its owner and group were %v, and are %v", a, b)
	}
}

// What is recorded of incidents is left out, unless there are so many that they are no
// exception.
func TestIncidentsAreLeftOutWhereTheyAreRare(t *testing.T) {
	const day, from = 86400, 1_780_272_000
	for _, tt := range []struct {
		name       string
		each, long int64 // seconds
		want       int
	}{
		{"one a week, of an hour", 7 * day, 3600, 4},
		{"one a day", day, 3600, 0},
		{"one a week, of a day", 7 * day, day, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := t.Context()
			db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "dwmon.db"), sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			c := suggestion(t).Checker
			err = db.InTx(ctx, func(tx dwmon.Tx) error {
				p, err := tx.Sight(dwmon.Sighting{Checker: c, Zone: "UTC", Minute: from, New: true, Owes: []int64{dwmon.OwesAll}})
				if err != nil {
					return err
				}
				for at := int64(from + day); at < from+28*day; at += tt.each {
					id, err := tx.OpenIncident(dwmon.Incident{Subject: dwmon.SubjectCount, CheckerID: p.ID, LineID: p.Lines[0].ID, Opened: at, OpenedAt: at * 1e6})
					if err == nil {
						err = tx.CloseIncident(id, at+tt.long, (at+tt.long)*1e6, dwmon.EndRecovered)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			cfg := &config.Config{Timezone: time.UTC}
			s := &suggester{ctx: ctx, cfg: cfg, r: &Reader{db, cfg}, checker: c, zone: time.UTC, from: from, until: from + 28*day}
			spans, err := s.incidents()
			if err != nil {
				t.Fatal(err)
			}
			if len(spans) != tt.want || (len(s.notes) > 0) != (tt.want == 0) {
				t.Errorf("%d incidents are left out, want %d; notes: %v", len(spans), tt.want, s.notes)
			}
			for _, span := range spans {
				if span.Until-span.From != tt.long+60 { // the window of the first result, too
					t.Errorf("%v is left out", span)
				}
			}
		})
	}
}
