package checktest

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestATimeMeansTheInstantAtWhichClocksShowIt: around both changes of the clocks a
// local time is read as the one instant that it names, or refused as coming twice.
func TestATimeMeansTheInstantAtWhichClocksShowIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		base := rapid.SampledFrom([]string{"2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05", "2026-10-04"}).Draw(t, "around")
		day, _ := time.Parse(time.DateOnly, base)
		at := day.Add(time.Duration(rapid.Int64Range(-86400, 2*86400).Draw(t, "seconds")) * time.Second).In(zone)
		got, fault := clock{zone: zone}.read(at.Format("2006-01-02 15:04:05"), 0)
		switch {
		case fault == nil && got == at.UnixMicro():
		case fault != nil && strings.Contains(fault.message, "twice") && strings.Contains(fault.hint, at.Format(time.RFC3339)):
		default:
			t.Fatalf("%s is read as %d, %+v", at, got, fault)
		}
	})
}

// TestWhatIsReadIsShownAgain: a local time that is read at all is what the clocks
// show then.
func TestWhatIsReadIsShownAgain(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 28, 22, 0, 0, 0, zone).UnixMicro()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`(2026-03-29 )?0[0-9]:[0-5][0-9]:[0-5][0-9]`).Draw(t, "text")
		got, fault := clock{zone: zone, start: start}.read(text, start)
		if fault != nil {
			if !strings.Contains(text, "02:") {
				t.Fatalf("%s: %+v", text, fault)
			}
			return
		}
		if shown := time.UnixMicro(got).In(zone).Format("15:04:05"); !strings.HasSuffix(text, shown) || got < start {
			t.Fatalf("%s is read as %s", text, shown)
		}
	})
}
