package sqlite

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestAnnouncementsOfSomeIncidents(t *testing.T) {
	w := newWorld(t)
	ctx := w.ctx()
	w.must(w.ChangeIncidents(ctx, []dwmon.Incident{
		{Subject: dwmon.SubjectSource, Source: "A", Opened: 60},
		{Subject: dwmon.SubjectSource, Source: "B", Opened: 60},
		{Subject: dwmon.SubjectSource, Source: "C", Opened: 60},
	}, nil))
	told := func(handler string, incident int64, before, after dwmon.Announcement) {
		t.Helper()
		w.must(w.Tell(ctx, dwmon.Tellings{Deliveries: []dwmon.NoticeDelivery{{
			Handler: handler, Notice: dwmon.Notice{Kind: dwmon.NoticeOpened}, Marks: []dwmon.Mark{{Incident: incident, Before: before, After: after}},
		}}}))
	}
	first, second := dwmon.Announcement{Told: 1, At: 7}, dwmon.Announcement{Told: 2, At: 9, Ended: true}
	told("mail", 1, dwmon.Announcement{}, first)
	told("mail", 1, first, second)
	told("pager", 1, dwmon.Announcement{}, first)
	told("mail", 2, dwmon.Announcement{}, first)
	got, err := w.Announcements(ctx, []int64{1, 3})
	w.must(err)
	want := map[int64]map[string]dwmon.Announcement{1: {"mail": second, "pager": first}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got, err := w.Announcements(ctx, nil); err != nil || len(got) != 0 {
		t.Errorf("of no incident: %v, %v", got, err)
	}
}
