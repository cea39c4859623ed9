package sqlite

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestOrphans(t *testing.T) {
	w := newWorld(t)
	w.undelivered()
	start := w.clock
	mark := func(configured ...string) {
		t.Helper()
		w.must(w.MarkHandlers(w.ctx(), configured, w.clock.UnixMicro()))
	}
	drop := func() int64 {
		t.Helper()
		dropped, err := w.DropOrphans(w.ctx(), w.clock.Add(-dwmon.OrphanedFor).UnixMicro(), w.clock.UnixMicro())
		w.must(err)
		if n := dropped["g"]; len(dropped) > 1 || len(dropped) == 1 && n == 0 {
			t.Errorf("dropped %v", dropped)
		}
		return dropped["g"]
	}
	expect := func(what, want string) {
		t.Helper()
		now := w.clock
		w.clock = start // what is shown counts from there
		if diff := cmp.Diff(want, w.shown()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		w.clock = now
	}
	orphaned := strings.NewReplacer("4 waiting 0\n", "4 waiting 0 (orphaned)\n", "6 waiting 0\n", "6 waiting 0 (orphaned)\n").Replace(undelivered)

	mark("h", "g", "never told")
	expect("both are configured", undelivered)
	mark("h")
	expect("g is not configured any more", orphaned)
	w.clock = w.clock.Add(6 * 24 * time.Hour)
	w.reopenDB()
	mark("h")
	if n := drop(); n != 0 {
		t.Errorf("%d dropped after six days", n)
	}
	expect("six days and a restart later", orphaned)

	mark("h", "g")
	expect("g is back", undelivered)
	mark("h")
	w.clock = w.clock.Add(6 * 24 * time.Hour)
	if n := drop(); n != 0 {
		t.Errorf("%d dropped: the week counts from when g was last configured", n)
	}
	w.clock = w.clock.Add(24 * time.Hour)
	w.reopenDB()
	mark("h")
	if n := drop(); n != 2 {
		t.Errorf("%d dropped after a week, want 2", n)
	}
	since := "dropped: its handler has not been configured since 2025-06-22T00:00:00Z"
	dropped := strings.NewReplacer("4 waiting 0 (orphaned)\n", "4 dead 0 finished "+since+"\n", "6 waiting 0 (orphaned)\n", "6 dead 0 finished "+since+"\n").Replace(orphaned)
	expect("a week later", dropped)
	if n := drop(); n != 0 {
		t.Errorf("%d dropped twice", n)
	}

	t.Run("WhatSomebodyRevivedWaitsForAWeekMore", func(t *testing.T) {
		r, err := w.RetryDeliveries(w.ctx(), dwmon.DeliveryChoice{Handler: "g", States: waitingOrDead}, w.clock.UnixMicro())
		w.must(err)
		w.clock = w.clock.Add(6 * 24 * time.Hour)
		if n := drop(); r.Dead != 3 || n != 0 {
			t.Errorf("%d revived, %d dropped six days later", r.Dead, n)
		}
		w.clock = w.clock.Add(24 * time.Hour)
		if n := drop(); n != 3 {
			t.Errorf("%d dropped a week after they were revived, want 3", n)
		}
	})
}

func TestNobodyIsConfigured(t *testing.T) {
	w := newWorld(t)
	w.undelivered()
	w.must(w.MarkHandlers(w.ctx(), nil, w.clock.UnixMicro()))
	if n := w.count("SELECT count(*) FROM handlers WHERE missing_since IS NOT NULL"); n != 2 {
		t.Errorf("%d handlers are missing, want both", n)
	}
}

func TestOrphansOfAClockThatWasSetBack(t *testing.T) {
	w := newWorld(t)
	w.undelivered()
	w.must(w.MarkHandlers(w.ctx(), []string{"h"}, w.clock.Add(365*24*time.Hour).UnixMicro()))
	w.must(w.MarkHandlers(w.ctx(), []string{"h"}, w.clock.UnixMicro()))
	now := w.clock.Add(dwmon.OrphanedFor)
	dropped, err := w.DropOrphans(w.ctx(), w.clock.UnixMicro(), now.UnixMicro())
	w.must(err)
	if dropped["g"] != 2 {
		t.Errorf("dropped %v a week after the clock was set back, want 2", dropped)
	}
}
