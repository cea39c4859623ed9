package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// plainDB makes a database as another program would.
func plainDB(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestOpenRefusesWhatIsNotItsOwn(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) string {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	if err := os.Mkdir(at("folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	plainDB(t, at("original.db"), "CREATE TABLE results (unique_id TEXT, checker TEXT, timestamp INTEGER)",
		"CREATE TABLE checks (checker TEXT, timestamp INTEGER)", "INSERT INTO results VALUES ('a', 'b', 1)")
	plainDB(t, at("foreign.db"), "CREATE TABLE songs (name TEXT)")
	plainDB(t, at("likeness.db"), "CREATE TABLE results (id TEXT)", "CREATE TABLE checks (checker TEXT, timestamp INTEGER)")
	newer := at("newer.db")
	mustOpen(t, newer, Options{}).Close()
	plainDB(t, newer, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
	older := at("older.db")
	mustOpen(t, older, Options{}).Close()
	later, version := oneMore(t, goodMigration)

	for _, c := range []struct {
		name string
		path string
		opts Options
		want error
		text string
	}{
		{"a text file", write("text.db", "to be, or not to be"), Options{}, ErrNotDatabase, "--db"},
		{"a short text file", write("short.db", "x"), Options{}, ErrNotDatabase, "--db"},
		{"a folder", at("folder"), Options{}, ErrNotDatabase, "folder"},
		{"a device", os.DevNull, Options{}, ErrNotDatabase, "regular"},
		{"a missing folder", at("none/x.db"), Options{}, ErrMissing, at("none")},
		{"nothing to read", at("none.db"), Options{ReadOnly: true}, ErrMissing, "dwmon daemon"},
		{"an empty file to read", write("empty.db", ""), Options{ReadOnly: true}, ErrMissing, "empty"},
		{"the original's database", at("original.db"), Options{}, ErrOriginal, "`dwmon import " + at("original.db") + " --db NEW` takes this one's data over"},
		{"the original's database, to read", at("original.db"), Options{ReadOnly: true}, ErrOriginal, "dwmon import"},
		{"another program's database", at("foreign.db"), Options{}, ErrForeign, "foreign.db"},
		{"other tables of the same names", at("likeness.db"), Options{}, ErrForeign, ""},
		{"a newer dwmon's database", newer, Options{}, ErrNewer, "99"},
		{"an older dwmon's database, to read", older, Options{ReadOnly: true, migrations: later}, ErrOlder, fmt.Sprintf("this dwmon needs %d", version)},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, _ := os.ReadFile(c.path)
			db, err := Open(t.Context(), c.path, c.opts)
			if err == nil {
				db.Close()
				t.Fatal("it was opened")
			}
			var own *Error
			if !errors.Is(err, c.want) || !errors.As(err, &own) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), c.path) {
				t.Errorf("error %q, want one that is %q, names %s and says %q", err, c.want, c.path, c.text)
			}
			if after, _ := os.ReadFile(c.path); string(after) != string(before) {
				t.Error("the file was changed")
			}
			for _, beside := range []string{"-wal", "-shm", "-journal"} {
				// Whoever looks into a file with a WAL makes one, and may not delete it.
				if _, err := os.Stat(c.path + beside); err == nil && c.want != ErrNewer && c.want != ErrOlder {
					t.Errorf("a file %s was left", beside)
				}
			}
		})
	}
	if len(opened.files) != 0 {
		t.Errorf("%d files are still taken for open", len(opened.files))
	}
}

// goodMigration and badMigration stand for a later version.
const (
	goodMigration = "-- +goose Up\nCREATE TABLE later (id INTEGER);\n"
	badMigration  = "-- +goose Up\nCREATE TABLE later (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n"
)

// oneMore gives the built-in migrations and one more, and its version.
func oneMore(t *testing.T, text string) (all fs.FS, version int) {
	t.Helper()
	files := fstest.MapFS{}
	names, err := fs.Glob(migrations, "migration/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := migrations.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[path.Base(name)] = &fstest.MapFile{Data: data}
	}
	newest, err := newestMigration(Options{migrations: files})
	if err != nil {
		t.Fatal(err)
	}
	version = int(newest) + 1
	files[fmt.Sprintf("%04d_later.sql", version)] = &fstest.MapFile{Data: []byte(text)}
	return files, version
}

func TestMigrationKeepsACopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dwmon.db")
	addMeta(t, mustOpen(t, path, Options{}), "kept")
	mustClose(t, path)

	quiet := slog.New(slog.DiscardHandler)
	bad, _ := oneMore(t, badMigration)
	good, version := oneMore(t, goodMigration)
	_, err := Open(t.Context(), path, Options{Log: quiet, migrations: bad})
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Fatalf("a migration that fails: %v", err)
	}
	db := mustOpen(t, path, Options{Log: quiet, migrations: good})
	if !hasMeta(t, db, "kept") {
		t.Error("the data did not survive the migration")
	}
	db.Close()
	saved := fmt.Sprintf("%s.before-v%d", path, version)
	info, err := os.Stat(saved)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the copy: %v, %v", info, err)
	}
	if _, err := os.Stat(saved + ".part"); err == nil {
		t.Error("a part of a copy was left")
	}
	if old := mustOpen(t, saved, Options{}); !hasMeta(t, old, "kept") {
		t.Error("the copy lacks the data")
	}
	if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrNewer) {
		t.Errorf("after the migration an older dwmon opens it: %v", err)
	}
}

func mustClose(t *testing.T, path string) {
	t.Helper()
	db := mustOpen(t, path, Options{})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func addMeta(t *testing.T, db *DB, name string) {
	t.Helper()
	err := db.write(t.Context(), func(tx *Tx) error {
		_, err := tx.exec("INSERT INTO meta (name, value) VALUES (?, '')", name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func hasMeta(t *testing.T, db *DB, name string) (has bool) {
	t.Helper()
	err := db.read(t.Context(), func(c *conn) error {
		r, err := c.one("SELECT 1 FROM meta WHERE name = ?", name)
		has = r != nil
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return has
}

func TestSettingsOfTheConnections(t *testing.T) {
	// A path that is an URI's nightmare.
	dir := filepath.Join(t.TempDir(), "50% #1? ü&x=1")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, filepath.Join(dir, "a?b#c%20.db"), Options{})
	want := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "auto_vacuum": "2", "journal_size_limit": "67108864", "cache_size": "-2048", "busy_timeout": "5000", "query_only": "0"}
	check := func(c *conn) error {
		for name, value := range want {
			r, err := c.one("PRAGMA " + name)
			if err != nil {
				return err
			}
			if got := r.text(0); got != value && decimal(r.int(0)) != value {
				t.Errorf("%s is %s%d, want %s", name, got, r.int(0), value)
			}
		}
		return nil
	}
	if err := db.write(t.Context(), func(tx *Tx) error { return check(tx.conn) }); err != nil {
		t.Fatal(err)
	}
	want = map[string]string{"journal_mode": "wal", "cache_size": "-512", "query_only": "1"}
	if err := db.read(t.Context(), check); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Fatalf("files: %v, %v; want the database, its WAL and its index", files, err)
	}
	for _, f := range files {
		if info, _ := f.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v", f.Name(), info.Mode())
		}
	}
	if err := db.read(t.Context(), func(c *conn) error {
		_, err := c.exec("DELETE FROM meta")
		return err
	}); err == nil {
		t.Error("a reader could write")
	}
}

func TestOpenTakesBackRights(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dwmon.db")
	mustClose(t, path)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	mustClose(t, path)
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("the database has the mode %v", info.Mode())
	}
}

func TestReadOnlyBesideAWriter(t *testing.T) {
	db := newDB(t, Options{})
	reader := mustOpen(t, db.Path(), Options{ReadOnly: true})
	err := db.write(t.Context(), func(tx *Tx) error {
		_, err := tx.exec("INSERT INTO meta (name, value) VALUES ('x', '')")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !hasMeta(t, reader, "x") {
		t.Error("the reader does not see the commit")
	}
	if err := reader.InTx(t.Context(), nil); err == nil {
		t.Error("a read-only store has written")
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	// The reader's end must not have cost the writer its locks: another process's
	// view of them is SQLite's own business, ours is that nothing fails.
	if err := db.write(t.Context(), func(tx *Tx) error {
		_, err := tx.exec("INSERT INTO meta (name, value) VALUES ('y', '')")
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFile(t *testing.T) {
	db := newDB(t, Options{})
	if err := db.CheckFile(); err != nil {
		t.Errorf("nothing has happened: %v", err)
	}
	if err := os.Rename(db.Path(), db.Path()+".away"); err != nil {
		t.Fatal(err)
	}
	if err := db.CheckFile(); !errors.Is(err, ErrReplaced) {
		t.Errorf("the file is away: %v", err)
	}
	if err := os.WriteFile(db.Path(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := db.CheckFile(); !errors.Is(err, ErrReplaced) {
		t.Errorf("another file is there: %v", err)
	}
	if err := os.Rename(db.Path()+".away", db.Path()); err != nil {
		t.Fatal(err)
	}
	if err := db.CheckFile(); err != nil {
		t.Errorf("it is back: %v", err)
	}
}

func TestClose(t *testing.T) {
	db := newDB(t, Options{})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if err := db.write(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("writing afterwards: %v", err)
	}
	if err := db.read(t.Context(), func(*conn) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("reading afterwards: %v", err)
	}
	if _, err := db.Progress(t.Context(), "x"); !errors.Is(err, ErrClosed) {
		t.Errorf("asking afterwards: %v", err)
	}
	if files, _ := filepath.Glob(db.Path() + "-*"); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestOpenWithAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "dwmon.db")
	if db, err := Open(ctx, path, Options{}); !errors.Is(err, context.Canceled) {
		db.Close()
		t.Errorf("Open = %v, want context.Canceled", err)
	}
}

func TestOriginalsViews(t *testing.T) {
	db := newDB(t, Options{})
	err := db.write(t.Context(), func(tx *Tx) error {
		for _, s := range []string{
			"INSERT INTO checkers (id, name, origin) VALUES (1, 'c', 0)",
			"INSERT INTO seen (checker_id, key, ts, first_seen, query_id) VALUES (1, x'61', -1500000, 0, 0), (1, x'62', 1999999, 0, 0), (1, x'63', NULL, 0, 0)",
			"INSERT INTO verdicts (checker_id, minute, line_id, line_position, event_count, status, catch_up, previous_status, consecutive_bad, evaluated_at, revision_id, fetch_id) VALUES (1, 60, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)",
		} {
			if _, err := tx.exec(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = db.read(t.Context(), func(c *conn) error {
		for r, err := range c.query("SELECT unique_id || ' ' || checker || ' ' || timestamp FROM results UNION ALL SELECT checker || ' ' || timestamp FROM checks") {
			if err != nil {
				return err
			}
			got = append(got, r.text(0))
		}
		return nil
	})
	if want := "a c -2,b c 1,c 60"; err != nil || strings.Join(got, ",") != want {
		t.Errorf("the views hold %q, %v; want %q", strings.Join(got, ","), err, want)
	}
}
