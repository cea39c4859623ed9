package daemon

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/pluginsdk"
)

// A preview is the object that plugins make of the notice, so that what is tried on
// the one holds for the other.
func TestPreviewIsTheObjectThatPluginsWrite(t *testing.T) {
	members := func(v any) map[string]any {
		t.Helper()
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]any
		if err := json.Unmarshal(text, &object); err != nil {
			t.Fatal(err)
		}
		return object
	}
	ours := members(&Preview{Notice: dwmon.Notice{
		Incident: &dwmon.IncidentView{}, Windows: []dwmon.NoticeWindow{{}}, Results: []dwmon.Result{{}}, Facts: []dwmon.Fact{{}},
	}})
	theirs := members(pluginsdk.Notice{
		Incident: &pluginsdk.Incident{}, Windows: []pluginsdk.Window{{}}, Results: []pluginsdk.Result{{}}, Facts: []pluginsdk.Fact{{}},
	})
	// What late rows made of a result is the history's alone.
	delete(ours["results"].([]any)[0].(map[string]any), "corrected")
	delete(ours, "handler")
	delete(ours, "notes")
	same := func(what string, ours, theirs any) {
		t.Helper()
		a, b := slices.Sorted(maps.Keys(ours.(map[string]any))), slices.Sorted(maps.Keys(theirs.(map[string]any)))
		if !slices.Equal(a, b) {
			t.Errorf("%s: a preview has the members %v, a plugin's object %v", what, a, b)
		}
	}
	same("the notice", ours, theirs)
	same("the incident", ours["incident"], theirs["incident"])
	for _, list := range []string{"windows", "results", "facts"} {
		same(list, ours[list].([]any)[0], theirs[list].([]any)[0])
	}
}
