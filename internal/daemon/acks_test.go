package daemon

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// Incidents are named by source, number, and the id that notices show.
func TestAcknowledgeByEveryName(t *testing.T) {
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "dwmon.db"), sqlite.Options{})
	must(err)
	defer db.Close()
	must(db.ChangeIncidents(ctx, []dwmon.Incident{
		{Subject: dwmon.SubjectSource, Source: "AWS", Opened: 60},
		{Subject: dwmon.SubjectSource, Source: "GCP", Opened: 60},
		{Subject: dwmon.SubjectDwmon, Opened: 60},
	}, nil))
	installation, err := db.Installation(ctx)
	must(err)
	now := time.Unix(1000, 0)
	cfg := &config.Config{Timezone: time.UTC}
	for _, tt := range []struct {
		target  string
		want    int64
		message string
	}{
		{"source:GCP", 2, "incident 2 (source GCP, since 1970-01-01 00:01:00 UTC) is acknowledged: it is not told again until it ends, or 1970-01-01 00:17:40 UTC"},
		{"3", 3, "incident 3 (dwmon itself, since 1970-01-01 00:01:00 UTC) is acknowledged: it is not told again until it ends, or 1970-01-01 00:17:40 UTC"},
		{dwmon.IncidentKey(installation, 1), 1, "incident 1 (source AWS, since 1970-01-01 00:01:00 UTC) is acknowledged: it is not told again until it ends, or 1970-01-01 00:17:40 UTC"},
	} {
		got, err := acknowledge(ctx, db, cfg, AckRequest{Target: tt.target, For: 60e6, By: "ann", Comment: "known"}, now)
		if err != nil || !slices.Equal(got.Incidents, []int64{tt.want}) || got.Message != tt.message {
			t.Errorf("%s: %+v, %v", tt.target, got, err)
		}
		incidents, err := db.Incidents(ctx, "", false, 0)
		must(err)
		if ack := incidents[tt.want-1].Ack; ack == nil || *ack != (dwmon.Ack{By: "ann", Comment: "known", At: 1000e6, Until: 1060e6}) {
			t.Errorf("%s: stored is %+v", tt.target, ack)
		}
	}
	if _, err := acknowledge(ctx, db, cfg, AckRequest{Target: "source:AW"}, now); err == nil || err.Error() != "source:AW has no open incident; did you mean source:AWS?" {
		t.Errorf("a source that is not there: %v", err)
	}
}
