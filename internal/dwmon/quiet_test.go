package dwmon

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is shown as silenced is what silences say, and of several the last to end.
func TestSilencedByIsTheLongest(t *testing.T) {
	subject := SilenceSubject{Checker: "orders", Owner: "shop"}
	rapid.Check(t, func(rt *rapid.T) {
		var silences []Silence
		for id := range rapid.IntRange(0, 5).Draw(rt, "silences") {
			s := Silence{
				ID: int64(id + 1), Starts: rapid.Int64Range(0, 10).Draw(rt, "starts"), Ends: rapid.Int64Range(0, 10).Draw(rt, "ends"),
				Matchers: Matchers{{Key: "owner", Value: rapid.SampledFrom([]string{"shop", "other"}).Draw(rt, "owner")}},
			}
			silences = append(silences, s)
		}
		at := rapid.Int64Range(0, 10).Draw(rt, "at")
		got := SilencedBy(silences, subject, at)
		longest := int64(0)
		for i := range silences {
			s := &silences[i]
			if end := s.over(); s.Starts <= at && at < end && s.Matchers[0].Value == "shop" {
				longest = max(longest, end)
			}
		}
		switch {
		case got == nil && longest != 0:
			rt.Fatalf("no silence is found, one holds until %d", longest)
		case got == nil:
		case longest == 0:
			rt.Fatalf("silence %d is found, none holds", got.ID)
		case longest == math.MaxInt64 && got.Until != 0, longest != math.MaxInt64 && got.Until != longest:
			rt.Fatalf("silence %d holds until %d, the longest until %d", got.ID, got.Until, longest)
		}
	})
}

func TestAckOfAll(t *testing.T) {
	const now = 1000
	forever, brief, gone := &Ack{By: "ann"}, &Ack{By: "bob", Until: now + 1}, &Ack{By: "eve", Until: now}
	long := &Ack{By: "joe", Until: now + 9}
	for _, tt := range []struct {
		name string
		acks []*Ack
		want *Ack
	}{
		{"nothing is open", nil, nil},
		{"one that holds while it lasts", []*Ack{forever}, forever},
		{"the one that ends first", []*Ack{forever, long, brief}, brief},
		{"in any order", []*Ack{brief, forever}, brief},
		{"one is not acknowledged", []*Ack{forever, nil}, nil},
		{"one holds no more", []*Ack{gone, forever}, nil},
	} {
		var open []Incident
		for _, a := range tt.acks {
			open = append(open, Incident{Ack: a})
		}
		if got := AckOfAll(open, now); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestQuietTexts(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 6, 1, 20, 0, 0, 0, time.UTC)
	micros := func(hour int) int64 { return time.Date(2026, 6, 1, hour, 0, 0, 0, time.UTC).UnixMicro() }
	for _, tt := range []struct{ got, want string }{
		{(&Silenced{Until: micros(21), By: "anna", Comment: "deploy"}).Text(now, berlin), "silenced until 23:00 by anna: deploy"},
		{(&Silenced{Until: micros(22), By: "anna", Comment: "deploy"}).Text(now, berlin), "silenced until 2026-06-02 00:00 by anna: deploy"},
		{(&Silenced{By: "anna", Comment: "two\nlines"}).Text(now, berlin), "silenced by anna: two; lines"},
		{(&Ack{By: "bob", Until: micros(21)}).Text(now, time.UTC), "acknowledged until 21:00 by bob"},
		{(&Ack{By: "bob", Comment: "on it"}).Text(now, time.UTC), "acknowledged by bob: on it"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestIncidentRecordSaysWhatIsWrong(t *testing.T) {
	minute := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC).Unix()
	closed := minute + 600
	low := &Result{EventCount: 2, Min: At(3), Status: Bad, Reason: Low, Minute: minute, LookbackSeconds: 60}
	good := &Result{EventCount: 4, Min: At(3), Status: Good, Minute: minute, LookbackSeconds: 60}
	for _, tt := range []struct {
		name   string
		record IncidentRecord
		want   string
	}{
		{"the count", IncidentRecord{Result: low}, "2 rows in the 60 s before 2026-06-01 12:00:00, fewer than 3"},
		{"a cause of its own", IncidentRecord{Incident: Incident{Cause: "connection refused"}}, "connection refused"},
		{"GOOD again, but too briefly", IncidentRecord{Result: good}, "4 rows in the 60 s before 2026-06-01 12:00:00: GOOD, but not for long enough yet"},
		{"its results are not kept", IncidentRecord{Incident: Incident{Closed: &closed}}, ""},
	} {
		tt.record.Zone = time.UTC
		if got := tt.record.Why(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	over := IncidentRecord{Incident: Incident{Opened: minute, Closed: &closed, Ack: &Ack{By: "ann", Until: 1}}, Now: (closed + 999) * 1e6}
	if over.Lasted() != 10*time.Minute || over.Acknowledged() == nil {
		t.Errorf("what is over lasted %s, acknowledged by %v", over.Lasted(), over.Acknowledged())
	}
	over.Closed = nil
	if over.Lasted() != 10*time.Minute+999*time.Second || over.Acknowledged() != nil {
		t.Errorf("what lasts has lasted %s, acknowledged by %v although that has run out", over.Lasted(), over.Acknowledged())
	}
}
