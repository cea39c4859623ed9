// Package drafttest tries on a real source what `dwmon new` would write for it.
package drafttest

import (
	"testing"

	"github.com/dwmon/dwmon/internal/draft"
)

// Ask has every query asked that is drafted of the tables of a catalog, whose keys are
// given. At least so many must be drafted; ask fails the test where one does not run.
func Ask(t *testing.T, getter string, catalog []string, least int, ask func(query string)) {
	t.Helper()
	drafted := 0
	for _, table := range draft.Catalog(catalog) {
		if key, times := table.ProposeKey(), table.ProposeTimes(); len(key) > 0 && len(times) > 0 {
			ask(draft.Query(getter, table, key, times[0]))
			drafted++
		}
	}
	if drafted < least {
		t.Errorf("%d queries were drafted, want %d at least", drafted, least)
	}
}
