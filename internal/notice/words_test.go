package notice

import (
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestSparkline(t *testing.T) {
	minutes := func(windows ...dwmon.NoticeWindow) []dwmon.NoticeWindow {
		for i := range windows {
			windows[i].Minute = int64(i) * 60
		}
		return windows
	}
	counts := func(ns ...int64) []dwmon.NoticeWindow {
		var windows []dwmon.NoticeWindow
		for _, n := range ns {
			windows = append(windows, dwmon.NoticeWindow{Count: n})
		}
		return minutes(windows...)
	}
	var none dwmon.Bound
	unknown := counts(9, 9, 9)
	unknown[1].Status = dwmon.Unknown
	gap := counts(9, 9, 9, 9)
	gap[2].Minute, gap[3].Minute = 86400, 86460
	hours := counts(9, 9, 9)
	for i := range hours {
		hours[i].Minute = int64(i) * 3600
	}
	tests := []struct {
		name      string
		windows   []dwmon.NoticeWindow
		low, high dwmon.Bound
		want      string
	}{
		{"nothing", nil, dwmon.At(1), none, ""},
		{"zero is not a small count", counts(0, 1, 0), none, none, "▁▅▁"},
		{"too few are low, whatever the scale", counts(1000, 4, 1), dwmon.At(5), none, "█▃▂"},
		{"too many are high, whatever the scale", counts(21, 20, 1000), none, dwmon.At(20), "▇▄█"},
		{"within the range from its lowest to its highest", counts(5, 12, 20), dwmon.At(5), dwmon.At(20), "▄▅▆"},
		{"a range of one", counts(5, 4, 6), dwmon.At(5), dwmon.At(5), "▅▃█"},
		{"no range at all", counts(1, 2, 3, 4, 5, 6, 7), none, none, "▂▃▄▅▆▇█"},
		{"UNKNOWN", unknown, none, none, "▅?▅"},
		{"windows are missing", gap, none, none, "▅▅·▅▅"},
		{"an hour between all is no gap", hours, none, none, "▅▅▅"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Sparkline(tt.windows, tt.low, tt.high); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
