package sqlite

import (
	"maps"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestHandlerWantsAreKept(t *testing.T) {
	w := newWorld(t)
	pager := dwmon.HandlerWants{Plugin: "pagerduty", On: dwmon.OnChange, Unknown: true, Notices: true}
	log := dwmon.HandlerWants{Plugin: "log", On: dwmon.OnEvery}
	w.must(w.SaveHandlerWants(w.ctx(), map[string]dwmon.HandlerWants{"pager": pager, "log": log}))
	w.reopenDB()
	log.Unknown = true
	w.must(w.SaveHandlerWants(w.ctx(), map[string]dwmon.HandlerWants{"log": log}))
	got, err := w.HandlerWants(w.ctx())
	w.must(err)
	if want := map[string]dwmon.HandlerWants{"pager": pager, "log": log}; !maps.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
