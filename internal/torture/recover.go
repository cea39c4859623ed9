//go:build linux

package torture

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// recover lives some minutes in which all is well, in a daemon that may be running or is
// started, until everything is made up for and told; and then checks everything.
func (w *world) recover(d *process) error {
	w.watch.Store(nil)
	w.source.be(well)
	if behind := w.clock.high().Sub(w.clock.now()); behind > 0 {
		w.forward(behind + time.Minute)
	}
	w.forward(w.between(time.Minute, 4*time.Minute))
	var err error
	if d == nil || d.ended() {
		if d, err = w.daemon(); err != nil {
			return err
		}
		w.did("the daemon was started: all is well")
	}
	if err := w.caughtUp(d); err != nil {
		return err
	}
	// It goes on afterwards, too: of what nobody notices, most is noticed here.
	w.forward(time.Minute)
	if err := w.caughtUp(d); err != nil {
		return err
	}
	if err := d.stop(); err != nil {
		return err
	}
	return w.final()
}

// final looks at a world in which nothing may be left to do.
func (w *world) final() error {
	if err := w.look(); err != nil {
		return err
	}
	s, err := w.read()
	if err != nil {
		return err
	}
	if s == nil {
		w.fault("there is no database")
		return nil
	}
	// What is told of incidents is decided by a step of its own, after the pass: of the
	// last minutes it may be on its way.
	recent := w.clock.now().Add(-3 * time.Minute)
	for _, d := range s.deliveries {
		if d.state != 1 && !(d.notice && d.attempts == 0 && d.created > recent.UnixMicro()) {
			w.fault("%s has not been told of %+v (notice: %v): its state is %d after %d attempts", d.handler, d.key, d.notice, d.state, d.attempts)
		}
	}
	paged, err := w.readLedger(pagerFile)
	if err != nil {
		return err
	}
	w.judgeNotices(s, paged, recent)
	return w.examine()
}

// examine insists that dwmon's doctor finds nothing but what the world is short of.
func (w *world) examine() error {
	o, err := w.run("doctor", "--full", "--json")
	if err != nil {
		return err
	}
	whole := false
	for text := range strings.Lines(o.out) {
		var d struct{ Check, Result, Where, Message string }
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return fmt.Errorf("doctor --json: %w", err)
		}
		if d.Result == "fault" && d.Check != "space" { // the world's disk may be small
			w.fault("the doctor finds in a world that is well: %s", text)
		}
		whole = whole || strings.Contains(d.Message, "whole: integrity_check, references and records agree")
	}
	if !whole {
		w.fault("the doctor does not say that the database is whole: %s", o)
	}
	return nil
}

// hurry is after how much waiting the next minute comes.
const hurry = 3 * time.Second

// caughtUp waits until every checker has settled the present minute and nothing waits to
// be told.
func (w *world) caughtUp(d *process) error {
	db, err := w.open(w.database())
	if err != nil {
		return err
	}
	defer db.Close()
	var last string
	next := time.Now().Add(hurry)
	err = w.await("everything is made up for", func() (bool, error) {
		if d.ended() {
			return false, fmt.Errorf("the daemon has ended: %s\n%s", d.cmd.ProcessState, d.err.String())
		}
		last = w.behind(db)
		if last != "" && time.Now().After(next) {
			w.clock.move(time.Minute) // what is to be tried again with the next minute
			next = time.Now().Add(hurry)
		}
		return last == "", nil
	})
	if err != nil {
		return fmt.Errorf("%w: %s\n%s", err, last, d.err.String())
	}
	return nil
}

// behind says what is still to be done; empty: nothing.
func (w *world) behind(db *sql.DB) string {
	for _, c := range checkers {
		var settled *int64
		if err := db.QueryRow("SELECT settled FROM checkers WHERE name = ?", c.name).Scan(&settled); err != nil {
			return err.Error()
		}
		if newest := c.newest(w.clock.now()); settled == nil || *settled < newest {
			return fmt.Sprintf("%s is settled through %s, it is %d", c.name, number(settled), newest)
		}
	}
	var waiting, owed int64
	if err := db.QueryRow("SELECT count(*) FROM deliveries WHERE state = 0").Scan(&waiting); err != nil {
		return err.Error()
	}
	err := db.QueryRow(`SELECT count(*) FROM incidents i JOIN announcements a ON a.incident_id = i.id
		WHERE i.closed IS NOT NULL AND a.told > 0 AND a.ended = 0`).Scan(&owed)
	if err != nil {
		return err.Error()
	}
	if waiting+owed > 0 {
		return fmt.Sprintf("%d deliveries wait, and the end of %d incidents is to be told", waiting, owed)
	}
	return ""
}
