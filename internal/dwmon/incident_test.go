package dwmon

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTroubleAsANaiveCountHasIt looks at the whole history of results at each of
// them, where Trouble keeps bits.
func TestTroubleAsANaiveCountHasIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.IntRange(1, MaxAlertOf).Draw(t, "of")
		rule := AlertRule{
			After: rapid.IntRange(1, of).Draw(t, "after"), Of: of,
			Recover: rapid.IntRange(1, 5).Draw(t, "recover"), UnknownAfter: rapid.IntRange(1, 4).Draw(t, "unknown after"),
		}
		var trouble Trouble
		var settled []Status // since the last incident closed, UNKNOWN left out
		open, unknownOpen, unknowns, id := false, false, 0, int64(0)
		for range rapid.IntRange(0, 200).Draw(t, "results") {
			status := rapid.SampledFrom([]Status{Good, Good, Bad, Bad, Unknown}).Draw(t, "status")
			var want Turn
			if status == Unknown {
				unknowns++
				want.UnknownOpens = !unknownOpen && unknowns >= rule.UnknownAfter
				unknownOpen = unknownOpen || want.UnknownOpens
			} else {
				unknowns = 0
				want.UnknownCloses, unknownOpen = unknownOpen, false
				settled = append(settled, status)
				bad := 0
				for _, s := range settled[max(0, len(settled)-of):] {
					if s == Bad {
						bad++
					}
				}
				good := 0
				for i := len(settled) - 1; i >= 0 && settled[i] == Good; i-- {
					good++
				}
				want.Opens = !open && status == Bad && bad >= rule.After
				want.Closes = open && good >= rule.Recover
				open = (open || want.Opens) && !want.Closes
				if want.Closes {
					// What came before counts for no new incident, but runs of GOOD do go on;
					// no incident is open that they could close.
					settled = nil
				}
			}
			var turn Turn
			trouble, turn = trouble.Then(rule, status)
			if turn != want {
				t.Fatalf("%s: got %+v, want %+v", status, turn, want)
			}
			id++
			switch {
			case turn.Opens:
				trouble.Incident = id
			case turn.Closes:
				trouble.Incident = 0
			}
			switch {
			case turn.UnknownOpens:
				trouble.UnknownIncident = id
			case turn.UnknownCloses:
				trouble.UnknownIncident = 0
			}
		}
	})
}

func TestAlertSettingsOverARule(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings AlertSettings
		want     AlertRule
	}{
		{"nothing is set", AlertSettings{}, DefaultAlertRule},
		{"after alone means that many in a row", AlertSettings{After: 3}, AlertRule{After: 3, Of: 3, Recover: 1, Growth: 1, UnknownAfter: 3}},
		{"two of three", AlertSettings{After: 2, Of: 3}, AlertRule{After: 2, Of: 3, Recover: 1, Growth: 1, UnknownAfter: 3}},
		{"the rest", AlertSettings{Recover: 2, Repeat: time.Hour, Growth: 2, UnknownAfter: 5}, AlertRule{After: 1, Of: 1, Recover: 2, Repeat: time.Hour, Growth: 2, UnknownAfter: 5}},
	} {
		if got := c.settings.Over(DefaultAlertRule); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestRepeatsGrowUpToAMonth(t *testing.T) {
	rule := AlertRule{Repeat: time.Hour, Growth: 3}
	for nth, want := range map[int]time.Duration{1: time.Hour, 2: 3 * time.Hour, 4: 27 * time.Hour, 50: MaxRepeat} {
		if got := rule.RepeatAfter(nth); got != want {
			t.Errorf("after telling %d: %s, want %s", nth, got, want)
		}
	}
	if got := (AlertRule{Growth: 2}).RepeatAfter(9); got != 0 {
		t.Errorf("a rule that never repeats: %s", got)
	}
}
