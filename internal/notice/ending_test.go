package notice

import (
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestASourceThatNobodyAsksAnyMoreHasNotAnswered(t *testing.T) {
	d := Sample(dwmon.NoticeRecovered, dwmon.SubjectSource)
	d.Incident.End = dwmon.EndOff
	want := "CLOSED 12 checkers: source WAREHOUSE after 26 min: no checker asks it any more"
	if got := Compose(d).Summary; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
