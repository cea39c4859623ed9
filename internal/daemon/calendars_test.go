package daemon

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
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

var summer = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// closing is an .ics file of single days, written as 20261225.
func closing(days ...string) string {
	text := "BEGIN:VCALENDAR\n"
	for _, day := range days {
		text += "BEGIN:VEVENT\nDTSTART;VALUE=DATE:" + day + "\nSUMMARY:on " + day + "\nEND:VEVENT\n"
	}
	return text + "END:VCALENDAR\n"
}

// holidayWorld is a catalog on a real store, with calendars beside its checks.
type holidayWorld struct {
	t       *testing.T
	dir     string
	cfg     *config.Config
	log     bytes.Buffer
	catalog *catalog
	routing *routing
}

func newHolidayWorld(t *testing.T, calendars map[string][]string) *holidayWorld {
	t.Helper()
	w := &holidayWorld{t: t, dir: t.TempDir()}
	for _, paths := range calendars {
		for i := range paths {
			paths[i] = filepath.Join(w.dir, paths[i])
		}
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(w.dir, "dwmon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w.cfg = &config.Config{File: filepath.Join(w.dir, "dwmon.yaml"), Checks: filepath.Join(w.dir, "checks"), Timezone: time.UTC, Calendars: calendars, DB: filepath.Join(w.dir, "none.db")}
	w.catalog = newCatalog(w.cfg, db, slog.New(slog.NewTextHandler(&w.log, nil)))
	w.routing = &routing{cfg: w.cfg}
	if err := os.Mkdir(w.cfg.Checks, 0o700); err != nil {
		t.Fatal(err)
	}
	return w
}

// write writes a file as a careful fetcher does: beside the old one, and moved there.
func (w *holidayWorld) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		w.t.Fatal(err)
	}
}

func (w *holidayWorld) checker(name, calendar string) {
	w.t.Helper()
	w.write("checks/"+name+".dwmon", "__QUERY__\nq\n__REQUIREMENTS__\nCHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS60\n__SOURCE__\nS\n"+
		"__OPTIONS__\ncalendar: "+calendar+"\n")
}

// refresh takes the files over and gives the jobs by the checker's name.
func (w *holidayWorld) refresh() map[string]*engine.Job {
	w.t.Helper()
	if _, err := w.catalog.refresh(context.Background(), summer, lookForGood); err != nil {
		w.t.Fatal(err)
	}
	jobs := map[string]*engine.Job{}
	for _, j := range w.catalog.jobs(w.routing) {
		jobs[j.Checker.Name] = j
	}
	return jobs
}

func (w *holidayWorld) faults() string {
	var texts []string
	for _, f := range w.catalog.faults() {
		texts = append(texts, strings.ReplaceAll(f.Error()+" / "+f.Hint, w.dir+"/", ""))
	}
	return strings.Join(texts, "\n")
}

func closedOn(job *engine.Job, year int, month time.Month, day int) string {
	name, _ := job.Closed.Name(dwmon.DayOf(year, month, day))
	return name
}

func TestCalendarsCloseDaysOfThoseWhoNameThem(t *testing.T) {
	w := newHolidayWorld(t, map[string][]string{"de": {"de.ics"}, "company": {"a.ics", "b.ics"}})
	w.write("de.ics", closing("20261225"))
	w.write("a.ics", closing("20261224"))
	w.write("b.ics", closing("20261231"))
	w.checker("one", "de")
	w.checker("both", "[de, company]")
	w.checker("none", "[]")
	jobs := w.refresh()
	for name, want := range map[string]int{"one": 1, "both": 3, "none": 0} {
		if got := jobs[name].Closed.Len(); got != want {
			t.Errorf("%s has %d closed days, want %d", name, got, want)
		}
	}
	if got := closedOn(jobs["both"], 2026, 12, 31); got != "on 20261231" {
		t.Errorf("closed by %q", got)
	}
	if again := w.refresh(); again["one"] != jobs["one"] || again["both"] != jobs["both"] {
		t.Error("jobs were made anew though nothing changed")
	}

	// An edit makes new jobs for the checkers concerned, and for nobody else.
	w.write("b.ics", closing("20261230"))
	after := w.refresh()
	if after["one"] != jobs["one"] || after["none"] != jobs["none"] {
		t.Error("a checker that does not name the calendar got a new job")
	}
	if closedOn(after["both"], 2026, 12, 31) != "" || closedOn(after["both"], 2026, 12, 30) == "" {
		t.Error("an edited calendar was not taken over")
	}
	// Another file with the same days changes nothing.
	w.write("b.ics", "\n"+closing("20261230"))
	if again := w.refresh(); again["both"] != after["both"] {
		t.Error("a calendar with the same days made a new job")
	}
	if got := w.faults(); got != "" {
		t.Errorf("faults: %s", got)
	}

	// Another configuration counts at once: jobs are made before the next refresh.
	cfg := *w.cfg
	cfg.Calendars = map[string][]string{"de": w.cfg.Calendars["company"]}
	w.catalog.configure(&cfg, summer)
	for _, j := range w.catalog.jobs(w.routing) {
		if j.Checker.Name == "one" && j.Closed.Len() != 2 {
			t.Errorf("after the reload %d days are closed, want 2", j.Closed.Len())
		}
	}
	if got := w.faults(); !strings.Contains(got, "no calendar is named company") {
		t.Errorf("faults: %s", got)
	}
}

func TestABadCalendarGoesOnAsItLastWasGood(t *testing.T) {
	w := newHolidayWorld(t, map[string][]string{"de": {"de.ics"}})
	w.write("de.ics", closing("20261225"))
	w.checker("a", "de")
	w.checker("b", "[]")
	before := w.refresh()
	tests := []struct {
		name, text, fault string
	}{
		{"cut off", "BEGIN:VCALENDAR\n", "de.ics:1:1: the VCALENDAR that begins here has no end / the file was cut off: fetch it again"},
		{"one event is bad", closing("20261225", "20261399"), `de.ics:7:1: DTSTART is "20261399", which is no date / write it as YYYYMMDD, such as 20261225`},
		{"gone", "", "de.ics: the holiday calendar cannot be read: no such file or directory / look at the path in dwmon.yaml under `calendars`; it is relative to that file"},
	}
	for _, tt := range tests {
		if tt.text != "" {
			w.write("de.ics", tt.text)
		} else if err := os.Remove(filepath.Join(w.dir, "de.ics")); err != nil {
			t.Fatal(err)
		}
		w.log.Reset()
		after := w.refresh()
		if after["a"] != before["a"] || closedOn(after["a"], 2026, 12, 25) == "" {
			t.Errorf("%s: the calendar did not go on as it last was good", tt.name)
		}
		if got := w.faults(); got != tt.fault {
			t.Errorf("%s: faults %q, want %q", tt.name, got, tt.fault)
		}
		if got := w.log.String(); strings.Count(got, "a holiday calendar has a fault") != 1 || strings.Count(got, "goes on as it last was good") != 1 || strings.Contains(got, "a checker file") {
			t.Errorf("%s: the log says\n%s", tt.name, got)
		}
		w.log.Reset()
		w.refresh()
		if w.log.Len() != 0 {
			t.Errorf("%s: the log says it again:\n%s", tt.name, w.log.String())
		}
		records, err := w.catalog.store.(*sqlite.DB).Faults(t.Context())
		if err != nil || len(records) != 1 || records[0].Name != "a" || len(records[0].Faults) != 1 {
			t.Errorf("%s: stored for status: %+v, error %v", tt.name, records, err)
		}
	}
	w.write("de.ics", closing("20261226"))
	if after := w.refresh(); closedOn(after["a"], 2026, 12, 25) != "" || closedOn(after["a"], 2026, 12, 26) == "" {
		t.Error("a mended calendar was not taken over")
	}
	if got := w.faults(); got != "" {
		t.Errorf("faults of a mended calendar: %s", got)
	}
}

func TestACalendarThatIsBadAtTheStartClosesWhatItCan(t *testing.T) {
	w := newHolidayWorld(t, map[string][]string{"de": {"de.ics"}})
	w.write("de.ics", closing("20261225", "20261399"))
	w.checker("a", "de")
	job := w.refresh()["a"]
	if closedOn(job, 2026, 12, 25) == "" || job.Closed.Len() != 1 {
		t.Errorf("%d days are closed, want Christmas", job.Closed.Len())
	}
}

func TestUnknownCalendars(t *testing.T) {
	w := newHolidayWorld(t, map[string][]string{"de-holidays": {"de.ics"}, "company": {"a.ics"}})
	w.write("de.ics", closing("20261225"))
	w.write("a.ics", closing("20261224"))
	w.checker("near", "de-holiday")
	w.checker("far", "[company, 'xyz-of-the-moon']")
	jobs := w.refresh()
	if jobs["near"].Closed.Len() != 0 || jobs["far"].Closed.Len() != 1 {
		t.Error("an unknown calendar closed days, or kept a known one from it")
	}
	want := `checks/far.dwmon:8:22: no calendar is named xyz-of-the-moon; checks go on as if it closed no day / dwmon.yaml has under ` + "`calendars`" + `: company, de-holidays
checks/near.dwmon:8:11: no calendar is named de-holiday; checks go on as if it closed no day / did you mean de-holidays?`
	if got := w.faults(); got != want {
		t.Errorf("faults:\n%s\nwant:\n%s", got, want)
	}
	found, err := Validate(t.Context(), Options{Config: w.cfg}, ValidateRequest{})
	if err != nil || len(found.Faults) != 2 {
		t.Errorf("validate: %v, error %v", found, err)
	}
	w.cfg.File = "" // no configuration: its calendars are not known
	if found, err = Validate(t.Context(), Options{Config: w.cfg}, ValidateRequest{}); err != nil || len(found.Faults) != 0 {
		t.Errorf("validate without a configuration: %v, error %v", found, err)
	}
}

func TestCalendarsAreReadAgainAsTimeGoesOn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "de.ics")
	text := "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20001225\nRRULE:FREQ=YEARLY\nEND:VEVENT\nEND:VCALENDAR\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCalendars(map[string][]string{"de": {path}}, slog.New(slog.DiscardHandler))
	c.refresh(summer)
	before, _ := c.closed([]string{"de"})
	later := summer.AddDate(20, 0, 0)
	c.refresh(later)
	after, _ := c.closed([]string{"de"})
	christmas := dwmon.DayOf(2046, 12, 25)
	if _, closed := before.Name(christmas); closed {
		t.Error("days are looked at twenty years ahead")
	}
	if _, closed := after.Name(christmas); !closed {
		t.Error("twenty years later Christmas is open")
	}
}

func TestWhatCouldBeUsedOfABadCalendarStays(t *testing.T) {
	w := newHolidayWorld(t, map[string][]string{"de": {"de.ics"}})
	w.write("de.ics", closing("20261225", "20261399"))
	w.checker("a", "de")
	before := w.refresh()["a"]
	w.write("de.ics", "BEGIN:VCALENDAR\n")
	if after := w.refresh()["a"]; after != before {
		t.Errorf("%d days are closed, want Christmas", after.Closed.Len())
	}
}
