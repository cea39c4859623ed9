package notice

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// maxItems is how many of the things that are told together the detail names.
const maxItems = 40

// Group makes one notice of several that are told together, those that need
// somebody first. All of them are its items. One notice alone stays as it is. now
// is microseconds since the epoch.
func Group(notices []dwmon.Notice, now int64) dwmon.Notice {
	if len(notices) == 1 {
		return notices[0]
	}
	var items []dwmon.NoticeItem
	for i := range notices {
		items = append(items, itemsOf(&notices[i])...)
	}
	slices.SortStableFunc(items, func(a, b dwmon.NoticeItem) int { return urgency(a.Kind) - urgency(b.Kind) })
	g := dwmon.Notice{Kind: dwmon.NoticeDigest, Items: items, Created: floor(now)}
	if len(items) > 0 {
		g.Kind = items[0].Kind
	}
	g.Summary, g.Detail = groupSummary(items), groupDetail(items)
	keepCommon(&g, notices)
	return g
}

// itemsOf are the things that a notice tells.
func itemsOf(n *dwmon.Notice) []dwmon.NoticeItem {
	if len(n.Items) > 0 {
		return n.Items
	}
	return []dwmon.NoticeItem{{
		Kind: n.Kind, Checker: n.Checker, Summary: clip(oneLine(n.Summary), maxSummary), Incident: n.Incident,
		Source: n.Source, Owner: n.Owner, Labels: n.Labels,
	}}
}

// kinds in the order in which a group tells them.
var kinds = []dwmon.NoticeKind{
	dwmon.NoticeOpened, dwmon.NoticeRepeated, dwmon.NoticeRecovered, dwmon.NoticeCorrected, dwmon.NoticeDigest, dwmon.NoticeTest,
}

func urgency(k dwmon.NoticeKind) int {
	if i := slices.Index(kinds, k); i >= 0 {
		return i
	}
	return len(kinds)
}

// keepCommon gives a group what all its notices share: who is told may hang on it.
func keepCommon(g *dwmon.Notice, notices []dwmon.Notice) {
	if len(notices) == 0 {
		return
	}
	n := &notices[0]
	g.Source, g.Owner, g.Labels, g.Extra = n.Source, n.Owner, maps.Clone(n.Labels), n.Extra
	for i := range notices[1:] {
		o := &notices[1+i]
		if o.Source != g.Source {
			g.Source = ""
		}
		if o.Owner != g.Owner {
			g.Owner = ""
		}
		if !bytes.Equal(o.Extra, g.Extra) {
			g.Extra = nil
		}
		maps.DeleteFunc(g.Labels, func(k, v string) bool { other, ok := o.Labels[k]; return !ok || other != v })
	}
	if len(g.Labels) == 0 {
		g.Labels = nil
	}
}

// stateOf is what a summary calls an item.
func stateOf(i *dwmon.NoticeItem) string {
	d := Data{Kind: i.Kind}
	if i.Incident != nil {
		d.Incident.Subject, d.Incident.End = i.Incident.Subject, i.Incident.End
	}
	switch word := d.word(); i.Kind {
	case dwmon.NoticeOpened:
		return word
	case dwmon.NoticeRepeated:
		return "still " + word
	default:
		return strings.ToLower(word)
	}
}

// groupSummary counts the states and names what they are of: "3 BAD, 1 recovered:
// orders, bills, …".
func groupSummary(items []dwmon.NoticeItem) string {
	times := map[string]int{}
	var states []string
	for i := range items {
		state := stateOf(&items[i])
		if times[state]++; times[state] == 1 {
			states = append(states, state)
		}
	}
	for i, state := range states {
		states[i] = fmt.Sprintf("%d %s", times[state], state)
	}
	if len(items) == 0 {
		return "nothing to tell"
	}
	return fit(strings.Join(states, ", ")+": ", strings.Join(namesOf(items), ", "), "")
}

// namesOf are what the items are about, each once.
func namesOf(items []dwmon.NoticeItem) []string {
	var names []string
	seen := map[string]bool{}
	for i := range items {
		n := items[i].Checker
		switch {
		case n != "":
			n = name(n)
		case items[i].Source != "":
			n = "source " + name(items[i].Source)
		default:
			n = "dwmon"
		}
		if !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	return names
}

// groupDetail is the items' summaries below one another.
func groupDetail(items []dwmon.NoticeItem) string {
	var b strings.Builder
	for i := range first(items, maxItems) {
		b.WriteString(items[i].Summary + "\n")
	}
	if more := len(items) - maxItems; more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return b.String()
}
