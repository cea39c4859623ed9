package dwmon

import (
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Rate
		bad  bool
	}{
		{text: "1/s", want: Rate{1, time.Second}},
		{text: "30/m", want: Rate{30, time.Minute}},
		{text: "100000/h", want: Rate{100_000, time.Hour}},
		{text: "0/m", bad: true},
		{text: "100001/m", bad: true},
		{text: "99999999999999999999/m", bad: true},
		{text: "-1/m", bad: true},
		{text: "+1/m", bad: true},
		{text: "1.5/m", bad: true},
		{text: "30", bad: true},
		{text: "30/", bad: true},
		{text: "/m", bad: true},
		{text: "30/d", bad: true},
		{text: "30/min", bad: true},
		{text: "30 / m", bad: true},
		{text: "30/m/s", bad: true},
		{text: "", bad: true},
	} {
		got, err := ParseRate(tt.text)
		if (err != nil) != tt.bad || got != tt.want {
			t.Errorf("%q gives %+v, %v", tt.text, got, err)
		}
		if err == nil && got.String() != tt.text {
			t.Errorf("%q is written as %q", tt.text, got)
		}
	}
	if got := (Rate{}).String(); got != "" {
		t.Errorf("no bound is written as %q", got)
	}
}
