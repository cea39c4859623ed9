package sqlite

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// checked is a world with some of everything.
func checked(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for _, name := range []string{"one", "two"} {
		w.judge(w.checker(name, epoch0, "UTC", line(1)), minutes(epoch0+60, 300, dwmon.Good))
	}
	p := w.checker("late", epoch0, "UTC", line(1))
	w.judge(p, minutes(epoch0+60, 5, dwmon.Bad), "pager")
	return w
}

func TestCheckUpFindsNothingInAGoodDatabase(t *testing.T) {
	w := checked(t)
	for _, full := range []bool{false, true} {
		var steps []string
		found, err := w.CheckUp(w.ctx(), full, func(s string) { steps = append(steps, s) })
		w.must(err)
		if len(found) != 0 || !slices.Contains(steps, "records") {
			t.Errorf("full %v: %v after %v", full, found, steps)
		}
	}
}

// TestCheckUpFindsBrokenRules breaks each rule by hand: none is a rule that cannot be
// broken.
func TestCheckUpFindsBrokenRules(t *testing.T) {
	breaks := map[string]string{
		"checkers with rows that are neither known nor forgotten":                         "INSERT INTO seen (checker_id, key, ts, first_seen, query_id) VALUES (999, x'01', 0, 0, 0)",
		"checkers with verdicts that are neither known nor forgotten":                     "UPDATE OR IGNORE verdicts SET checker_id = 999 WHERE minute = (SELECT min(minute) FROM verdicts)",
		"checkers with fetches that are neither known nor forgotten":                      "UPDATE fetches SET checker_id = 999 WHERE id = (SELECT min(id) FROM fetches)",
		"checkers whose newest verdict is not the one that is remembered as such":         "UPDATE checkers SET recorded = 60 WHERE name = 'late'",
		"checkers settled at a time that is no minute":                                    "UPDATE checkers SET settled = 61 WHERE name = 'late'",
		"gaps that end before they begin":                                                 "INSERT INTO gaps (checker_id, line_id, line_position, from_minute, to_minute, minutes, reason) SELECT min(id), 1, 0, 120, 60, 1, 'x' FROM checkers",
		"waiting deliveries of no handler":                                                "UPDATE deliveries SET handler_id = 999",
		"waiting deliveries that are marked as finished":                                  "UPDATE deliveries SET finished = 1 WHERE state = 0",
		"finished deliveries without a time":                                              "UPDATE deliveries SET state = 2, finished = NULL",
		"lines whose open incident is closed or not there":                                "UPDATE lines SET incident_id = 999",
		"incidents that are finished with and not over":                                   "INSERT INTO incidents (subject, source, opened, opened_at, catch_up, cause, checkers, finished) VALUES ('dwmon', '', 0, 0, 0, '', 0, 1)",
		"verdicts that are neither GOOD, BAD nor UNKNOWN, or of a time that is no minute": "UPDATE verdicts SET status = 4 WHERE minute = (SELECT min(minute) FROM verdicts)",
		"verdicts of a line that their checker never had":                                 "UPDATE verdicts SET line_id = 999 WHERE minute = (SELECT min(minute) FROM verdicts)",
		"verdicts of a text that is not kept":                                             "UPDATE verdicts SET revision_id = 999 WHERE minute = (SELECT min(minute) FROM verdicts)",
	}
	for _, r := range rules {
		t.Run(r.says, func(t *testing.T) {
			if breaks[r.says] == "" {
				t.Fatal("nobody has tried to break this rule")
			}
			w := checked(t)
			w.must(w.write(w.ctx(), func(tx *Tx) error { _, err := tx.exec(breaks[r.says]); return err }))
			found, err := w.CheckUp(w.ctx(), true, nil)
			w.must(err)
			if !slices.ContainsFunc(found, func(d Damage) bool { return d.Check == "records" && strings.HasPrefix(d.Message, r.says+": ") }) {
				t.Errorf("found %v", found)
			}
		})
	}
}

func TestCheckUpFindsADamagedFile(t *testing.T) {
	w := checked(t)
	copied := filepath.Join(t.TempDir(), "copy.db")
	w.must(w.Backup(w.ctx(), copied))
	text, err := os.ReadFile(copied)
	w.must(err)
	const page = 4096
	for at := len(text) - 4*page; at < len(text); at += page { // what a copy writes last is no table's root
		copy(text[at+page-400:at+page], strings.Repeat("\xff", 400))
	}
	w.must(os.WriteFile(copied, text, 0o600))
	db, err := Open(t.Context(), copied, Options{ReadOnly: true})
	w.must(err)
	defer db.Close()
	for _, full := range []bool{false, true} {
		found, err := db.CheckUp(t.Context(), full, nil)
		if len(found) == 0 && err == nil {
			t.Errorf("full %v: the damage was not found", full)
		}
		t.Logf("full %v: %d, the first %v, %v", full, len(found), found[:min(1, len(found))], err)
	}
}

func TestSpaceAndHandlers(t *testing.T) {
	w := checked(t)
	s, err := w.Space(w.ctx())
	w.must(err)
	if s.File == 0 || s.WAL == 0 || s.Free != 0 {
		t.Errorf("space %+v", s)
	}
	w.must(w.write(w.ctx(), func(tx *Tx) error { _, err := tx.exec("DELETE FROM verdicts"); return err }))
	if s, err = w.Space(w.ctx()); err != nil || s.Free == 0 || s.Free > s.File+s.WAL {
		t.Errorf("space after a delete %+v, %v", s, err)
	}
	handlers, err := w.Handlers(w.ctx())
	w.must(err)
	i := slices.IndexFunc(handlers, func(h Handler) bool { return h.Name == "pager" })
	if i < 0 || handlers[i].Waiting != 5 || handlers[i].Dead != 0 || handlers[i].MissingSince != nil || handlers[i].Oldest == 0 {
		t.Errorf("handlers %+v", handlers)
	}
}
