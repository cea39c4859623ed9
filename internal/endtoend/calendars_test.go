package endtoend

import (
	"strings"
	"testing"
	"time"
)

// TestCalendarChangesBesideDaemon: a holiday of today closes the checks of today,
// its end opens them again, and a calendar that goes bad goes on as it last was.
func TestCalendarChangesBesideDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	// Three days, so that midnight does not matter.
	today := time.Now().UTC()
	ics := func(from time.Time) string {
		return "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:" + from.Format("20060102") +
			"\r\nDURATION:P3D\r\nSUMMARY:Works outing\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	}
	w.write("dwmon.yaml", "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 0s\ncalendars: {outings: outings.ics}\n")
	w.write("outings.ics", ics(today.AddDate(0, 0, -1)))
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
	w.simple("closed", "__OPTIONS__", "calendar: outings")
	w.simple("open")
	s := w.start()
	s.up()
	is := func(name, cause string) func() bool {
		return func() bool { c := w.status()[name]; return c.Settled != nil && strings.Contains(c.Cause, cause) }
	}
	w.await("the checker without a calendar is judged", func() bool { return w.status()["open"].State == "GOOD" })
	w.await("the other one is closed", is("closed", "Works outing"))
	if c := w.status()["closed"]; c.State != "PENDING" || c.Pending != 0 {
		t.Errorf("on a closed day: %+v", c)
	}
	if h := w.history(); len(minutesOf(h, "closed")) != 0 || len(minutesOf(h, "open")) == 0 {
		t.Errorf("history: %+v", h)
	}

	// Cut off while it is fetched: the last good one goes on. A change in the checks
	// folder spares the test the wait for the next rescan.
	w.write("outings.ics", "BEGIN:VCALENDAR\r\n")
	w.simple("nudge1")
	w.await("the fault of the calendar is shown", is("closed", "outings.ics:1:1: the VCALENDAR that begins here has no end"))
	if c := w.status()["open"]; c.Cause != "" {
		t.Errorf("the fault is shown at a checker without a calendar: %s", c.Cause)
	}
	if _, ok := s.logged("a holiday calendar goes on as it last was good"); !ok {
		t.Error("the log does not say that the calendar goes on")
	}
	settled := *w.status()["closed"].Settled
	w.await("a minute goes by", func() bool { return *w.status()["closed"].Settled > settled })
	if n := len(minutesOf(w.history(), "closed")); n != 0 {
		t.Errorf("%d minutes of a closed day were judged", n)
	}

	settled = *w.status()["closed"].Settled
	w.write("outings.ics", ics(today.AddDate(0, 0, 10)))
	w.simple("nudge2")
	w.await("the checker is judged when its day is open", func() bool { return w.status()["closed"].State == "GOOD" })
	for _, e := range w.history() {
		if e.CheckerName == "closed" && (e.Gap || e.Minute <= settled) {
			t.Errorf("a minute of the closed day is in the history: %+v", e)
		}
	}
}
