package dwmon

import (
	"testing"
	"time"
)

func TestNextNotice(t *testing.T) {
	closed := int64(600)
	open, over := &Incident{Opened: 60}, &Incident{Opened: 60, Closed: &closed}
	caught, caughtOver := &Incident{Opened: 60, CatchUp: true}, &Incident{Opened: 60, CatchUp: true, Closed: &closed}
	acked := &Incident{Opened: 60, Ack: &Ack{Until: 2000}}
	told := Announcement{Told: 1}
	rule := AlertRule{Repeat: 1000 * time.Microsecond}
	for _, tt := range []struct {
		name string
		a    Announcing
		kind NoticeKind
		done bool
	}{
		{"it began", Announcing{Incident: open}, NoticeOpened, false},
		{"it began, silenced", Announcing{Incident: open, Hidden: true}, "", false},
		{"it goes on", Announcing{Incident: open, Before: told, Now: 999}, "", false},
		{"it is time to say so again", Announcing{Incident: open, Before: told, Now: 1000}, NoticeRepeated, false},
		{"it would be time, but it is silenced", Announcing{Incident: open, Before: told, Now: 1000, Hidden: true}, "", false},
		{"it would be time, but somebody knows", Announcing{Incident: acked, Before: told, Now: 1000}, "", false},
		{"somebody knew, until a while ago", Announcing{Incident: acked, Before: told, Now: 2000}, NoticeRepeated, false},
		{"it ended", Announcing{Incident: over, Before: told}, NoticeRecovered, false},
		{"it ended, silenced by then", Announcing{Incident: over, Before: told, Hidden: true}, NoticeRecovered, false},
		{"its end was told", Announcing{Incident: over, Before: Announcement{Told: 1, Ended: true}}, "", true},
		{"it began and ended unseen", Announcing{Incident: over}, NoticeOpened, false},
		{"it began and ended within a silence", Announcing{Incident: over, Hidden: true}, "", true},
		{"caught up, and everything is wanted", Announcing{Incident: caughtOver, CatchUp: CatchUpAll}, NoticeOpened, false},
		{"caught up and over: the digest tells", Announcing{Incident: caughtOver, CatchUp: CatchUpDigest}, "", true},
		{"caught up, seen in time, and over by now", Announcing{Incident: caughtOver, CatchUp: CatchUpDigest, InTime: true}, NoticeOpened, false},
		{"caught up, and not all of it yet", Announcing{Incident: caught, CatchUp: CatchUpDigest, Behind: true}, "", false},
		{"caught up, and it lasts", Announcing{Incident: caught, CatchUp: CatchUpDigest}, NoticeOpened, false},
		{"caught up, it lasts, and only what is in time is wanted", Announcing{Incident: caught, CatchUp: CatchUpNone}, "", false},
		{"caught up, and then seen in time", Announcing{Incident: caught, CatchUp: CatchUpNone, InTime: true}, NoticeOpened, false},
	} {
		if kind, done := func() (NoticeKind, bool) { tt.a.Rule = rule; return tt.a.NextNotice() }(); kind != tt.kind || done != tt.done {
			t.Errorf("%s: %q, done %v", tt.name, kind, done)
		}
	}
}

func TestAnAnnouncementIsRepeatedLaterAndLater(t *testing.T) {
	rule := AlertRule{Repeat: time.Minute, Growth: 2}
	if next := (Announcement{}).Next(rule); next != 0 {
		t.Errorf("before it was told: %d", next)
	}
	a := Announcement{}.After(NoticeOpened, 5)
	if a != (Announcement{Told: 1, At: 5}) || a.Next(rule) != 60e6+5 {
		t.Errorf("at first %+v, next %d", a, a.Next(rule))
	}
	a = a.After(NoticeRepeated, 60e6)
	if a != (Announcement{Told: 2, At: 60e6}) || a.Next(rule) != 180e6 || a.Next(AlertRule{}) != 0 {
		t.Errorf("then %+v, next %d", a, a.Next(rule))
	}
	if a = a.After(NoticeRecovered, 100e6); !a.Ended || a.Told != 2 {
		t.Errorf("at the end %+v", a)
	}
}
