package provider

import (
	"fmt"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// ResultSummary is a result in one line, for providers that show a list of what is
// wrong: "billing/new_invoices: 4 rows in 3m, fewer than 5, 2 in a row".
func ResultSummary(r *pluginsdk.Result) string {
	text := fmt.Sprintf("%s: %d rows in %s", r.CheckerName, r.EventCount, pluginsdk.Duration(time.Duration(r.LookbackSeconds)*time.Second))
	switch {
	case r.MinRequired != nil && r.EventCount < *r.MinRequired:
		text += fmt.Sprintf(", fewer than %d", *r.MinRequired)
	case r.MaxAllowed != nil && r.EventCount > *r.MaxAllowed:
		text += fmt.Sprintf(", more than %d", *r.MaxAllowed)
	}
	if r.ConsecutiveBad > 1 {
		text += fmt.Sprintf(", %d in a row", r.ConsecutiveBad)
	}
	return text
}
