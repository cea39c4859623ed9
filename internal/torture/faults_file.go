//go:build linux

package torture

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/torture/interpose"
)

// loseDatabase deletes the database under a running daemon, or puts another into its
// place; the daemon must end. A back-up goes on.
func loseDatabase(w *world, rounds int) error {
	for i := range rounds {
		d, err := w.atWork()
		if err != nil {
			return err
		}
		if err := w.backUp(); err != nil {
			return err
		}
		w.live(2)
		if i%2 == 0 {
			err = os.Remove(w.database())
			w.did("the database was deleted")
		} else {
			err = copyFile(w.path(backupFile), w.database()+".new")
			err = errors.Join(err, os.Rename(w.database()+".new", w.database()))
			w.did("the database was replaced")
		}
		if err != nil {
			return err
		}
		if err := w.await("the daemon notices", func() (bool, error) { return d.ended(), nil }); err != nil {
			return err
		}
		if err := w.lived(); err != nil {
			return err
		}
		if code := d.cmd.ProcessState.ExitCode(); code != 3 || !d.said("it was replaced or deleted while it was open", "put the file back, or start again") {
			w.fault("without its database the daemon ends with code %d and says %s", code, d.err.String())
		}
		if err := w.restore(); err != nil {
			return err
		}
	}
	return w.recover(nil)
}

// atWork starts the daemon and lets it make up for everything.
func (w *world) atWork() (*process, error) {
	d, err := w.daemon()
	if err != nil {
		return nil, err
	}
	w.live(2)
	return d, w.caughtUp(d)
}

// backupFile is where back-ups are made.
const backupFile = "copy.db"

// backUp makes a back-up, and remembers what handlers had been told by then.
func (w *world) backUp() error {
	if err := os.Remove(w.path(backupFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	o, err := w.run("backup", backupFile)
	if err != nil {
		return err
	}
	if o.code != 0 {
		w.fault("backup: %s", o)
	}
	list, err := w.readLedger(ledgerFile)
	paged, pagedErr := w.readLedger(pagerFile)
	w.backedUp = map[string]int{ledgerFile: len(list), pagerFile: len(paged)}
	w.did("a back-up was made")
	return errors.Join(err, pagedErr)
}

// restore puts the back-up into the place of the database. What was decided since then
// is decided anew, and told again: what handlers were told of it counts for nothing.
func (w *world) restore() error {
	for _, ending := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(w.database() + ending); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := copyFile(w.path(backupFile), w.database()); err != nil {
		return err
	}
	w.did("the back-up was put back")
	w.past = memory{}
	for file, kept := range w.backedUp {
		if err := w.forget(file, kept); err != nil {
			return err
		}
	}
	w.lives = append(w.lives[:0], w.backedUp[ledgerFile])
	return w.look()
}

// forget leaves only the first lines of what a handler was told, which may be nothing yet.
func (w *world) forget(file string, kept int) error {
	text, err := os.ReadFile(w.path(file))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var b strings.Builder
	for line := range strings.SplitSeq(string(text), "\n") {
		if line == "" {
			continue
		}
		if kept--; kept < 0 {
			break
		}
		fmt.Fprintln(&b, line)
	}
	return os.WriteFile(w.path(file), []byte(b.String()), 0o600)
}

// corrupt writes noise over pages of the database, of a daemon that runs or between two.
func corrupt(w *world, rounds int) error {
	d, err := w.atWork()
	if err != nil {
		return err
	}
	for i := range rounds {
		if err := w.backUp(); err != nil {
			return err
		}
		w.live(1)
		running := i%2 == 0
		if !running {
			if err := d.stop(); err != nil {
				return err
			}
		}
		// A start reads every checker, but not every old verdict: what must be noticed is
		// noise where it reads. Others are found once they are read, and by the doctor.
		must := i%4 == 1
		if must {
			if err := w.scribbleCheckers(); err != nil {
				return err
			}
		}
		if err := w.scribble(4 + w.rng.IntN(5)); err != nil {
			return err
		}
		if !running {
			if d, err = w.start("daemon"); err != nil {
				return err
			}
		}
		for range 5 {
			w.live(1)
			if d.ended() {
				break
			}
		}
		// Pages that a running daemon has in memory it does not read again, and may write
		// them anew: it notices the others only.
		if noticed := d.said("it is damaged") || d.said("it is no SQLite database"); !noticed && must {
			w.fault("on a damaged database the daemon says only %s", d.err.String())
		} else {
			w.did("the daemon noticed: %v (it ran: %v)", noticed, running)
		}
		if d.ended() && d.cmd.ProcessState.ExitCode() != 3 {
			w.fault("the daemon ends with code %d and says %s", d.cmd.ProcessState.ExitCode(), d.err.String())
		}
		if err := d.kill(); err != nil {
			return err
		}
		o, err := w.run("doctor", "--full")
		if err != nil {
			return err
		}
		if o.code == 0 || !strings.Contains(o.out+o.err, "damaged") && !strings.Contains(o.out+o.err, "no SQLite database") {
			w.fault("of a damaged database the doctor says %s", o)
		}
		if err := w.restore(); err != nil {
			return err
		}
		if d, err = w.daemon(); err != nil {
			return err
		}
		if err := w.caughtUp(d); err != nil {
			return err
		}
	}
	return w.recover(d)
}

// scribble writes noise over so many pages of the database, chosen by chance.
func (w *world) scribble(pages int) error {
	info, err := os.Stat(w.database())
	if err != nil {
		return err
	}
	for range pages {
		if err := w.overwrite(1+w.rng.Int64N(info.Size()/pageSize), info.Size()/pageSize); err != nil {
			return err
		}
	}
	return nil
}

// scribbleCheckers writes noise over the root page of the table of checkers.
func (w *world) scribbleCheckers() error {
	db, err := w.open(w.database())
	if err != nil {
		return err
	}
	defer db.Close()
	var root, pages int64
	if err := db.QueryRow("SELECT rootpage, page_count FROM sqlite_schema, pragma_page_count WHERE name = 'checkers'").Scan(&root, &pages); err != nil {
		return err
	}
	return w.overwrite(root, pages)
}

const pageSize = 4096

// overwrite writes noise over a page, the first of which is 1.
func (w *world) overwrite(page, of int64) error {
	noise := make([]byte, pageSize)
	for i := range noise {
		noise[i] = byte(w.rng.Uint32())
	}
	w.did("page %d of %d was overwritten", page, of)
	return writeAt(w.database(), noise, (page-1)*pageSize)
}

// killBackup kills back-ups in the middle, beside a daemon that works.
func killBackup(w *world, rounds int) error {
	d, err := w.atWork()
	if err != nil {
		return err
	}
	struck := 0
	for range rounds {
		s := w.strike(&strike{at: 1 + w.rng.Int64N(12), of: func(c interpose.Call) bool { return strings.Contains(c.Path, backupFile) }})
		p, err := w.start("backup", backupFile)
		if err != nil {
			return err
		}
		s.p.Store(p)
		w.clock.move(time.Minute)
		if err := p.wait(); err != nil {
			return err
		}
		w.watch.Store(nil)
		if s.what.Load() != nil {
			struck++
		}
		w.did("a back-up was killed at call %d: %s", s.count.Load(), s.struck())
		if err := w.backUp(); err != nil { // the next one must come about, whatever the last has left
			return err
		}
		o, err := w.run("doctor", "--full", "--db", backupFile, "--all")
		if err != nil {
			return err
		}
		if !strings.Contains(o.out, "whole: integrity_check, references and records agree") {
			w.fault("of a back-up the doctor says %s", o)
		}
	}
	if struck == 0 {
		w.fault("no back-up was killed in the middle: that shows nothing")
	}
	return w.recover(d)
}
