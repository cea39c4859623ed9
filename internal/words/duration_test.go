package words

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/dwmon/dwmon/internal/dwmon"
	"pgregory.net/rapid"
)

func mustZone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return zone
}

func TestDurationsAsPeopleSayThem(t *testing.T) {
	tests := []struct {
		seconds        int64
		exactly, about string
	}{
		{0, "0 s", "less than a minute"},
		{45, "45 s", "less than a minute"},
		{60, "1 min", "1 min"},
		{90, "1 min 30 s", "1 min"},
		{1560, "26 min", "26 min"},
		{3600, "1 h", "1 h"},
		{3630, "1 h 30 s", "1 h"},
		{7500, "2 h 5 min", "2 h 5 min"},
		{86400, "24 h", "24 h"},
		{2 * 86400, "2 days", "2 days"},
		{2*86400 + 300, "2 days 5 min", "2 days"},
		{3*86400 + 2*3600 + 60, "3 days 2 h 1 min", "3 days 2 h"},
	}
	for _, tt := range tests {
		if got := Exactly(tt.seconds); got != tt.exactly {
			t.Errorf("Exactly(%d) = %q, want %q", tt.seconds, got, tt.exactly)
		}
		if got := About(tt.seconds); got != tt.about {
			t.Errorf("About(%d) = %q, want %q", tt.seconds, got, tt.about)
		}
	}
}

// Exactly loses no second.
func TestExactlyIsExact(t *testing.T) {
	of := map[string]int64{"day": 86400, "days": 86400, "h": 3600, "min": 60, "s": 1}
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.OneOf(rapid.Int64Range(0, dwmon.MaxLookback), rapid.Map(rapid.Int64Range(0, 5000), func(n int64) int64 { return n * 60 })).Draw(t, "seconds")
		parts := strings.Fields(Exactly(seconds))
		var sum int64
		for i := 0; i+1 < len(parts); i += 2 {
			var n int64
			if _, err := fmt.Sscan(parts[i], &n); err != nil || of[parts[i+1]] == 0 {
				t.Fatalf("%d s is %q", seconds, parts)
			}
			sum += n * of[parts[i+1]]
		}
		if sum != seconds {
			t.Fatalf("%d s is %q", seconds, parts)
		}
	})
}

// Twice is what the tables of the zone say: some other time within a few hours has
// the same date and time of day.
func TestTwiceAgreesWithTheZone(t *testing.T) {
	zones := []*time.Location{mustZone("Europe/Berlin"), mustZone("Australia/Lord_Howe"), mustZone("America/St_Johns"), mustZone("Asia/Kolkata")}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		at := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "second")/60*60, 0).In(zone)
		if _, end := at.ZoneBounds(); rapid.Bool().Draw(t, "near a change") && !end.IsZero() {
			at = end.Add(time.Duration(rapid.Int64Range(-180, 180).Draw(t, "minutes")) * time.Minute).In(zone)
		}
		same := 0
		for m := -240; m <= 240; m++ {
			if at.Add(time.Duration(m)*time.Minute).Format(time.DateTime) == at.Format(time.DateTime) {
				same++
			}
		}
		if got, want := Twice(at), same > 1; got != want {
			t.Fatalf("%s: %v, but %d such times", at, got, same)
		}
	})
}
