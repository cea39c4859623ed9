package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dwmon/dwmon/internal/procfs"
)

// churn is what goes on around the daemon.
type churn struct {
	*site
	plan   plan
	report *Report
	rng    *rand.Rand
	// number makes texts that there never were before.
	number int
	later  []deferred
}

// deferred undoes an act some acts later.
type deferred struct {
	in int
	do func() error
}

// act is one thing that happens in each round.
type act struct {
	name string
	do   func(context.Context, *churn) error
	// slow: it may take dwmon minutes to be as before.
	slow bool
}

// acts are done once in each round, in any order.
var acts = []act{
	// Checker files.
	{"a checker's text is changed", func(_ context.Context, c *churn) error { return c.edit(c.any()) }, true},
	{"a checker's text is changed in its query only", func(_ context.Context, c *churn) error {
		return c.put(checkerFile("shaky/b"), text("shaky/b", 3*c.next()))
	}, false},
	{"a checker comes that was never there, and is forgotten", func(ctx context.Context, c *churn) error { return c.newcomer(ctx) }, false},
	{"a checker's file is away", func(ctx context.Context, c *churn) error { return c.away(ctx) }, false},
	{"a checker is disabled", func(_ context.Context, c *churn) error {
		return c.edit(c.any(), "enabled: false")
	}, true},
	{"a checker is renamed, and back", func(ctx context.Context, c *churn) error { return c.rename(ctx) }, true},
	{"a file is bad", func(_ context.Context, c *churn) error {
		return c.put(checkerFile(c.any()), fmt.Sprintf("__QUERY__\nq%d\n__REQUIREMENTS__\nCHECKHOUR0-23\n", c.next()))
	}, true},
	{"all files are gone at once", func(ctx context.Context, c *churn) error { return c.allGone(ctx) }, true},
	{"a calendar is changed", func(_ context.Context, c *churn) error { return c.closedDays(c.next()) }, false},
	{"a line asks for what cannot be: an incident", func(_ context.Context, c *churn) error {
		t := strings.Replace(text("shaky/c", 0), "MINNUM1 ", "MINNUM90000 ", 1)
		return c.put(checkerFile("shaky/c"), t)
	}, true},
	// Configuration.
	{"another configuration is taken over", func(_ context.Context, c *churn) error {
		return errors.Join(c.configure(c.next()), c.hangUp())
	}, false},
	{"a faulty configuration is refused", func(ctx context.Context, c *churn) error {
		// Commands read it too: it is gone before the next one.
		return errors.Join(c.put("dwmon.yaml", fmt.Sprintf("sources: {X%d: {geter: moody}}\n", c.next())), c.hangUp(),
			pause(ctx, 300*time.Millisecond), c.configure(0), c.hangUp())
	}, false},
	// Sources.
	{"a source is down", func(_ context.Context, c *churn) error { return c.mood("shaky", "fails", 3) }, true},
	{"a source hangs", func(_ context.Context, c *churn) error { return c.mood("shaky", "hangs", 5) }, true},
	{"a source breaks off", func(_ context.Context, c *churn) error { return c.mood("shaky", "breaks", 3) }, true},
	{"a source has no rows: incidents", func(_ context.Context, c *churn) error { return c.mood("shaky", "quiet", 4) }, true},
	{"results are large", func(_ context.Context, c *churn) error { return c.mood("shaky", "large", 3) }, true},
	{"a getter crashes in a call", func(_ context.Context, c *churn) error { return c.mood("shaky", "crashes", 3) }, true},
	{"a plugin's file is away", func(ctx context.Context, c *churn) error { return c.pluginAway(ctx) }, true},
	// Plugins.
	{"a plugin is killed", func(ctx context.Context, c *churn) error { return c.kill(ctx) }, false},
	{"a plugin is replaced", func(_ context.Context, c *churn) error { return errors.Join(c.replaceMoody(c.next()), c.hangUp()) }, false},
	{"a plugin is quarantined", func(ctx context.Context, c *churn) error { return c.quarantine(ctx) }, true},
	// Handlers.
	{"a handler fails for now", func(_ context.Context, c *churn) error { return c.mood("handler", "fails", 3) }, true},
	{"a handler refuses for good", func(_ context.Context, c *churn) error { return c.mood("handler", "refuses", 2) }, true},
	{"a handler hangs", func(_ context.Context, c *churn) error { return c.mood("handler", "hangs", 3) }, true},
	{"a handler crashes in a call", func(_ context.Context, c *churn) error { return c.mood("handler", "crashes", 3) }, true},
	{"webhooks and heartbeats are refused", func(_ context.Context, c *churn) error {
		c.refusing.Store(true)
		return c.after(4, func() error { c.refusing.Store(false); return nil })
	}, false},
	// People.
	{"a silence is made and ended", func(ctx context.Context, c *churn) error {
		return errors.Join(
			c.run(ctx, "silence", "add", "--source", "SHAKY", "--for", "1h", "--comment", "soak"),
			c.run(ctx, "silence", "add", "--name", "events/*", "--for", "3m", "--comment", "soak"),
			c.after(6, func() error { return c.endSilences(ctx) }))
	}, false},
	{"incidents are acknowledged", func(ctx context.Context, c *churn) error {
		c.try(ctx, "ack", "shaky/c", "--for", "1h", "--comment", "soak")
		c.try(ctx, "ack", "source:SHAKY", "--comment", "soak")
		return nil
	}, false},
	{"a walk is settled by hand", func(ctx context.Context, c *churn) error {
		to := c.lapse.Now().UTC().Add(-5 * time.Minute).Truncate(time.Minute).Format(time.RFC3339)
		c.try(ctx, "settle", "shaky/d", "--to", to) // it may be on its way meanwhile
		return nil
	}, true},
	{"deliveries are looked at, tried again, dropped", func(ctx context.Context, c *churn) error {
		c.try(ctx, "deliveries", "drop", "--handler", "hook")
		return errors.Join(c.run(ctx, "deliveries", "--json"), c.run(ctx, "deliveries", "retry", "--now"))
	}, false},
	{"state is looked at", func(ctx context.Context, c *churn) error {
		return errors.Join(c.run(ctx, "status", "--json"), c.run(ctx, "incidents", "--json"), c.run(ctx, "slow", "--json"))
	}, false},
	{"history is looked at", func(ctx context.Context, c *churn) error {
		return errors.Join(c.run(ctx, "history", "steady/one", "--json"), c.run(ctx, "histogram", "steady/two", "--json"), c.run(ctx, "explain", "steady/five"))
	}, false},
	{"a check is tried", func(ctx context.Context, c *churn) error {
		c.try(ctx, "try", c.path(checkerFile("steady/one"))) // its own plugin may not start in its time, which is ours
		return nil
	}, false},
	{"a back-up is made", func(ctx context.Context, c *churn) error {
		name := c.path(fmt.Sprintf("work/backup-%d.db", c.next()))
		return errors.Join(c.run(ctx, "backup", name), os.Remove(name))
	}, false},
	{"pages are asked for", func(ctx context.Context, c *churn) error { return c.pages(ctx) }, false},
	{"clients of both sockets come and go without a word", func(ctx context.Context, c *churn) error { return c.silentClients(ctx) }, false},
	{"the doctor looks", func(ctx context.Context, c *churn) error { c.try(ctx, "doctor", "--json"); return nil }, false},
	{"plugins are listed", func(ctx context.Context, c *churn) error { return c.run(ctx, "plugin", "list", "--json") }, false},
}

// round does all acts, puts everything back, and waits until dwmon has come to rest.
func (c *churn) round(ctx context.Context) error {
	began := time.Now()
	for i, n := range c.rng.Perm(len(c.plan.acts)) {
		a := c.plan.acts[n]
		if err := a.do(ctx, c); err != nil {
			c.report.fault("%s: %v", a.name, err)
		}
		c.report.Acts[a.name]++
		c.due()
		if err := errors.Join(c.arrive(ctx), c.alive()); err != nil {
			return err
		}
		if err := pause(ctx, time.Until(began.Add(c.plan.span*time.Duration(i+1)/time.Duration(len(c.plan.acts))))); err != nil {
			return err
		}
	}
	return c.rest(ctx)
}

// pause waits, not below 0.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// due does what was put off.
func (c *churn) due() {
	waiting := c.later
	c.later = nil // what is done may put something off itself
	for _, d := range waiting {
		if d.in--; d.in > 0 {
			c.later = append(c.later, d)
			continue
		}
		if err := d.do(); err != nil {
			c.report.fault("putting back: %v", err)
		}
	}
}

func (c *churn) after(acts int, do func() error) error {
	c.later = append(c.later, deferred{acts + 1, do})
	return nil
}

func (c *churn) next() int {
	c.number++
	return c.number
}

func (c *churn) any() string { return changing[c.rng.IntN(len(changing))] }

// run runs a command that must work.
func (c *churn) run(ctx context.Context, args ...string) error {
	out, err := c.dwmon(ctx, args...)
	if err != nil {
		return fmt.Errorf("dwmon %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(out))
	}
	return nil
}

// try runs a command that may find nothing to do.
func (c *churn) try(ctx context.Context, args ...string) { _, _ = c.dwmon(ctx, args...) }

func (c *churn) hangUp() error { return c.daemon.Process.Signal(syscall.SIGHUP) }

// mood has an instance of the moody plugin in a mood for some acts.
func (c *churn) mood(name, mood string, acts int) error {
	path := c.path("moods/" + name + "." + mood)
	return errors.Join(os.WriteFile(path, nil, 0o600), c.after(acts, func() error { return removeIfThere(path) }))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// edit gives a checker a text that it never had.
func (c *churn) edit(name string, options ...string) error {
	return c.put(checkerFile(name), text(name, c.next(), options...))
}

// newcomer is a checker of a name of its own, which is removed and forgotten.
func (c *churn) newcomer(ctx context.Context) error {
	name := fmt.Sprintf("shaky/new-%d", c.next())
	return errors.Join(c.put(checkerFile(name), text(name, c.number)), c.after(8, func() error {
		return errors.Join(removeIfThere(c.path(checkerFile(name))), c.after(4, func() error {
			c.try(ctx, "forget", name) // while all files were gone, it may never have been seen
			return nil
		}))
	}))
}

func (c *churn) away(context.Context) error {
	file := c.path(checkerFile(c.any()))
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return errors.Join(err, os.Remove(file), c.after(7, func() error { return os.WriteFile(file, text, 0o600) }))
}

// rename gives a checker's history another name, its file too, and all of it back.
func (c *churn) rename(ctx context.Context) error {
	move := func(from, to string) error {
		if err := os.Rename(c.path(checkerFile(from)), c.path(checkerFile(to))); err != nil {
			return err
		}
		return c.run(ctx, "rename", from, to, "--replace")
	}
	return errors.Join(c.edit("shaky/e"), move("shaky/e", "shaky/other"), c.after(6, func() error { return move("shaky/other", "shaky/e") }))
}

func (c *churn) allGone(context.Context) error {
	return errors.Join(os.Rename(c.path("checks"), c.path("gone")), pause(context.Background(), 300*time.Millisecond), os.Rename(c.path("gone"), c.path("checks")))
}

func (c *churn) pluginAway(context.Context) error {
	from, to := c.path("plugins/dwmon-plugin-sqlite"), c.path("plugins/.sqlite")
	return errors.Join(os.Rename(from, to), c.hangUp(), c.after(3, func() error { return errors.Join(os.Rename(to, from), c.hangUp()) }))
}

// kill kills a plugin's process.
func (c *churn) kill(context.Context) error {
	plugins := c.plugins()
	if len(plugins) == 0 {
		return nil
	}
	if err := syscall.Kill(plugins[c.rng.IntN(len(plugins))], syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// plugins are the processes of plugins.
func (s *site) plugins() (pids []int) {
	for _, pid := range procfs.Descendants(s.daemon.Process.Pid) {
		if filepath.Dir(procfs.Program(pid)) == s.path("plugins") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// quarantine has a plugin end at each of its starts until it is quarantined.
func (c *churn) quarantine(context.Context) error {
	return errors.Join(c.mood("shaky", "unready", 4), os.WriteFile(c.path("moods/shaky.crashes"), nil, 0o600))
}

func (c *churn) endSilences(ctx context.Context) error {
	out, err := c.dwmon(ctx, "silence", "list", "--json")
	if err != nil {
		return fmt.Errorf("dwmon silence list: %w: %s", err, out)
	}
	for line := range strings.Lines(out) {
		var s struct{ ID json.Number }
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			return fmt.Errorf("dwmon silence list: %w: %s", err, line)
		}
		c.try(ctx, "silence", "end", s.ID.String()) // it may have ended meanwhile
	}
	return nil
}

func (c *churn) pages(ctx context.Context) error {
	for _, page := range []string{"/", "/healthz", "/readyz", "/metrics", "/nothing"} {
		answer, err := c.client.Get(c.health + page)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err := errors.Join(err, answer.Body.Close(), ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}

// silentClients connect, begin to speak, and go.
func (c *churn) silentClients(context.Context) error {
	sockets := [][2]string{{"tcp", strings.TrimPrefix(c.health, "http://")}}
	_ = filepath.WalkDir(c.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == "control.sock" {
			sockets = append(sockets, [2]string{"unix", path})
		}
		return nil
	})
	for _, s := range sockets {
		for _, word := range []string{"", "GET /met", "POST /v1/settle HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"} {
			conn, err := net.Dial(s[0], s[1])
			if err != nil {
				return err
			}
			_, err = io.WriteString(conn, word)
			if err := errors.Join(err, conn.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}

// rest puts everything back as it was at the start, and waits until it is.
func (c *churn) rest(ctx context.Context) error {
	for len(c.later) > 0 {
		c.due()
	}
	for _, mood := range filesBelow(c.path("moods")) {
		if err := removeIfThere(mood); err != nil {
			return err
		}
	}
	c.refusing.Store(false)
	if err := errors.Join(c.writeCheckers(), c.closedDays(0), c.configure(0), c.hangUp()); err != nil {
		return err
	}
	if err := c.endSilences(ctx); err != nil {
		c.report.fault("%v", err)
	}
	c.try(ctx, "deliveries", "retry", "--now")
	began := time.Now()
	for {
		why, err := c.restless(ctx)
		if err != nil || why == "" {
			return err
		}
		if waited := time.Since(began); waited > c.plan.patience {
			c.report.fault("%s of dwmon's time after everything was put back, %s", (waited * time.Duration(c.lapse.Rate)).Round(time.Second), why)
			return nil
		}
		if err := errors.Join(c.alive(), c.arrive(ctx), pause(ctx, c.lapse.InWorld(5*time.Second))); err != nil {
			return err
		}
	}
}

// instances is how many plugin processes there are at rest: three moody ones, sqlite,
// log, webhook, exec and retention.
const instances = 8

// restless says what is not as it was at the start; empty: all is.
func (c *churn) restless(ctx context.Context) (string, error) {
	if n := len(c.plugins()); n != instances {
		return fmt.Sprintf("there are %d processes of plugins instead of %d", n, instances), nil
	}
	now := c.lapse.Now()
	for _, q := range []struct {
		says, query string
		args        []any
	}{
		{"lines are not GOOD", `SELECT count(*) FROM checkers c JOIN lines l ON l.checker_id = c.id WHERE l.position IS NOT NULL
			AND c.missing_since IS NULL AND c.off_since IS NULL AND (l.last_status <> 1 OR c.fail_count > 0)`, nil},
		{"checkers are behind", `SELECT count(*) FROM checkers WHERE missing_since IS NULL AND off_since IS NULL AND settled < ?`, []any{now.Add(-4 * time.Minute).Unix()}},
		{"checkers are missing", fmt.Sprintf("SELECT %d - count(*) FROM checkers WHERE missing_since IS NULL AND off_since IS NULL", len(steady)+len(changing)), nil},
		{"deliveries wait to be tried again", "SELECT count(*) FROM deliveries d JOIN handlers h ON h.id = d.handler_id WHERE state = 0 AND attempts > 0 AND h.missing_since IS NULL", nil},
		{"incidents are open", "SELECT count(*) FROM incidents WHERE closed IS NULL", nil},
	} {
		n, err := c.count(ctx, q.query, q.args...)
		if err != nil {
			return "", err
		}
		if n > 0 {
			return fmt.Sprintf("%d %s", n, q.says), nil
		}
	}
	return "", nil
}
