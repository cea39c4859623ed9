package checktest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/strictyaml"
	"go.yaml.in/yaml/v3"
)

// numbered is what stands for the running number in a key.
const numbered = "%d"

// rowEntry is one entry of rows: a row, or many of a pattern.
type rowEntry struct {
	key                   string
	at, from, until, seen *yaml.Node
	every, late           time.Duration
	count                 int64
	hasKey, hasEvery      bool
}

func (d *document) rows(t *Test, n *yaml.Node) {
	nodes, ok := d.r.List(n, "rows", "a list of rows, such as {at: 22:00:30}")
	if !ok {
		return
	}
	for i, node := range nodes {
		e := rowEntry{count: 1}
		seen := d.r.Fields(node, "a row", []strictyaml.Field{
			{Name: "at", Read: func(n *yaml.Node) { e.at = n }},
			{Name: "key", Read: func(n *yaml.Node) { e.key, e.hasKey = d.r.Word(n, "key") }},
			{Name: "seen", Read: func(n *yaml.Node) { e.seen = n }},
			{Name: "late", Read: func(n *yaml.Node) { e.late, _ = d.r.Duration(n, "late", time.Second, 0) }},
			{Name: "count", Read: func(n *yaml.Node) { e.count, _ = d.r.Int(n, "count", 1, MaxRows) }},
			{Name: "every", Read: func(n *yaml.Node) { e.every, e.hasEvery = d.r.Duration(n, "every", time.Second, 0) }},
			{Name: "from", Read: func(n *yaml.Node) { e.from = n }},
			{Name: "until", Read: func(n *yaml.Node) { e.until = n }},
		})
		if node.Kind != yaml.MappingNode || seen["every"] && !e.hasEvery || seen["count"] && e.count == 0 {
			continue
		}
		d.addRows(t, node, e, i+1)
		switch {
		case len(t.rows) > MaxRows:
			d.r.At(node, fmt.Sprintf("the test has more than %d rows", MaxRows), "widen every, or lower count")
			return
		case t.keyBytes > MaxKeyBytes:
			d.r.At(node, fmt.Sprintf("the keys of the test take more than %d MiB", MaxKeyBytes>>20), "shorten key, widen every, or lower count")
			return
		}
	}
}

// addRows adds the rows of one entry, the nth of its list.
func (d *document) addRows(t *Test, n *yaml.Node, e rowEntry, nth int) {
	times, ok := d.times(t, n, e)
	if !ok {
		return
	}
	if many := int64(len(times)) * e.count; e.hasKey && many > 1 && !strings.Contains(e.key, numbered) {
		d.r.At(n, fmt.Sprintf("these %d rows would have one key, and a key counts once", many), "put "+numbered+" into the key: it is replaced with 1, 2, 3, …")
		return
	}
	if e.seen == nil {
		t.firsts = append(t.firsts, firstRow{d.place(n), times[0]})
	}
	number := 0
	for _, at := range times {
		seen, ok := d.seen(t, n, e, at)
		if !ok {
			return
		}
		for range e.count {
			number++
			r := row{at: at, seen: seen, unkeyed: !e.hasKey}
			if r.key = strings.ReplaceAll(e.key, numbered, strconv.Itoa(number)); !e.hasKey {
				r.key = fmt.Sprintf("row %d-%d", nth, number)
			}
			t.keyBytes += len(r.key)
			if t.rows = append(t.rows, r); len(t.rows) > MaxRows || t.keyBytes > MaxKeyBytes {
				return
			}
		}
	}
}

// times are the timestamps of an entry.
func (d *document) times(t *Test, n *yaml.Node, e rowEntry) ([]int64, bool) {
	pattern := e.hasEvery || e.from != nil || e.until != nil
	switch {
	case e.at != nil && pattern:
		d.r.At(n, "a row has either at, or every, from and until", "")
		return nil, false
	case e.at != nil:
		at, ok := t.clock.after(d.r, e.at, "at", t.start)
		return []int64{at}, ok
	case !e.hasEvery:
		d.r.At(n, "a row says neither at nor every", "write {at: 22:00:30}, or {every: 1m, from: 22:00, until: 23:00}")
		return nil, false
	}
	s, ok := d.fromUntil(t, n, e.from, e.until, "a pattern of rows")
	if !ok {
		return nil, false
	}
	step := e.every.Microseconds()
	if (s.until-s.from)/step > MaxRows {
		d.r.At(n, fmt.Sprintf("the pattern makes more than %d rows", MaxRows), "widen every, or shorten the span")
		return nil, false
	}
	var times []int64
	for at := s.from; at < s.until; at += step {
		times = append(times, at)
	}
	return times, true
}

// seen is when the source has a row.
func (d *document) seen(t *Test, n *yaml.Node, e rowEntry, at int64) (int64, bool) {
	switch {
	case e.seen != nil && e.late != 0:
		d.r.At(n, "seen and late both say when the source has the row", "remove one of them")
		return 0, false
	case e.seen != nil:
		return t.clock.after(d.r, e.seen, "seen", at)
	default:
		return at + e.late.Microseconds(), true
	}
}

func (d *document) expectations(t *Test, n *yaml.Node) {
	nodes, ok := d.r.List(n, "expect", "a list, such as - {at: 23:00, status: GOOD}")
	if !ok {
		return
	}
	for _, node := range nodes {
		d.expectation(t, node)
	}
}

func (d *document) expectation(t *Test, n *yaml.Node) {
	e := expectation{place: d.place(n), line: -1}
	var at, from, until *yaml.Node
	var ok bool
	seen := d.r.Fields(n, "an expectation", []strictyaml.Field{
		{Name: "at", Read: func(n *yaml.Node) { at = n }},
		{Name: "from", Read: func(n *yaml.Node) { from = n }},
		{Name: "until", Read: func(n *yaml.Node) { until = n }},
		{Name: "line", Read: func(n *yaml.Node) { e.line = d.line(n) }},
		{Name: "status", Read: func(n *yaml.Node) { e.status = outcome(d.oneOf(n, "status", outcomes)) }},
		{Name: "reason", Read: func(n *yaml.Node) { e.reason = dwmon.Reason(d.oneOf(n, "reason", reasons)) }},
		{Name: "count", Read: func(n *yaml.Node) {
			if v, ok := d.r.Int(n, "count", 0, MaxRows); ok {
				e.count = &v
			}
		}},
		{Name: "corrected", Read: func(n *yaml.Node) {
			e.corrected, _ = dwmon.ParseStatus(d.oneOf(n, "corrected", []string{"GOOD", "BAD"}))
		}},
		{Name: "caught_up", Read: func(n *yaml.Node) {
			if v, ok := d.r.Bool(n, "caught_up"); ok {
				e.caughtUp = &v
			}
		}},
	})
	switch {
	case n.Kind != yaml.MappingNode:
		return
	case !seen["status"]:
		d.r.At(n, "the expectation has no status", "status is one of "+strings.Join(outcomes, ", "))
		return
	case e.status == "":
		return
	case at != nil && (from != nil || until != nil):
		d.r.At(n, "an expectation has either at, or from and until", "")
		return
	case at != nil:
		e.single = true
		if e.from, ok = t.clock.after(d.r, at, "at", t.start); !ok {
			return
		}
		e.until = e.from + 60e6
	case from == nil && until == nil:
		d.r.At(n, "the expectation says no minute", "write at, or from and until")
		return
	default:
		if e.span, ok = d.fromUntil(t, n, from, until, "an expectation"); !ok {
			return
		}
	}
	d.soundExpectation(n, e)
	t.expect = append(t.expect, e)
}

// reasons are those of results, for messages.
var reasons = []string{string(dwmon.Low), string(dwmon.High), string(dwmon.Truncated), string(dwmon.AssumedTime)}

// soundExpectation reports what can never be.
func (d *document) soundExpectation(n *yaml.Node, e expectation) {
	verdict := e.status == "GOOD" || e.status == "BAD" || e.status == "UNKNOWN"
	bad := e.reason == dwmon.Low || e.reason == dwmon.High
	switch {
	case e.from%60e6 != 0 || e.until%60e6 != 0:
		d.r.At(n, "dwmon judges whole minutes", "leave the seconds out")
	case !verdict && (e.count != nil || e.reason != "" || e.corrected != dwmon.NoStatus || e.caughtUp != nil):
		d.r.At(n, fmt.Sprintf("a minute that is %s has no count, reason, corrected or caught_up", e.status), "")
	case e.status == "GOOD" && e.reason != "", e.status == "BAD" && e.reason != "" && !bad, e.status == "UNKNOWN" && bad:
		d.r.At(n, fmt.Sprintf("%s is never %s", e.status, e.reason), "BAD is low or high, UNKNOWN truncated or assumed, GOOD has no reason")
	case e.corrected != dwmon.NoStatus && (e.status != "BAD" || e.reason == dwmon.High):
		d.r.At(n, "only what was BAD low is ever corrected", "")
	}
}

// oneOf reads a word of a list.
func (d *document) oneOf(n *yaml.Node, what string, known []string) string {
	text, ok := d.r.Word(n, what)
	if !ok {
		return ""
	}
	for _, k := range known {
		if text == k {
			return text
		}
	}
	hint := what + " is one of " + strings.Join(known, ", ")
	if near, ok := dwmon.Nearest(text, known); ok {
		hint = "did you mean " + near + "?"
	}
	d.r.At(n, fmt.Sprintf("%s is %q", what, text), hint)
	return ""
}

// line reads the number of a requirement line, counted from 1, and gives it from 0.
func (d *document) line(n *yaml.Node) int {
	lines := len(d.suite.Checker.Lines)
	v, ok := d.r.Int(n, "line", 1, 1_000_000)
	if !ok {
		return -1
	}
	if int(v) > lines {
		d.r.At(n, fmt.Sprintf("the checker has no line %d", v), fmt.Sprintf("requirement lines are counted from 1 to %d, comments and blank lines left out", lines))
		return -1
	}
	return int(v) - 1
}

func (d *document) incidentList(t *Test, n *yaml.Node) {
	nodes, ok := d.r.List(n, "incidents", "a list, such as - {opened: 23:00, closed: 23:40}; [] says that there are none")
	if !ok {
		return
	}
	t.allIncidents = true
	for _, node := range nodes {
		d.incident(t, node)
	}
}

func (d *document) incident(t *Test, n *yaml.Node) {
	i := incident{place: d.place(n), line: -1, about: dwmon.SubjectCount}
	var opened, closed *yaml.Node
	d.r.Fields(n, "an incident", []strictyaml.Field{
		{Name: "opened", Read: func(n *yaml.Node) { opened = n }},
		{Name: "closed", Read: func(n *yaml.Node) { closed = n }},
		{Name: "line", Read: func(n *yaml.Node) { i.line = d.line(n) }},
		{Name: "about", Read: func(n *yaml.Node) {
			if d.oneOf(n, "about", []string{"count", "unknown"}) == "unknown" {
				i.about = dwmon.SubjectChecker
			}
		}},
	})
	if n.Kind != yaml.MappingNode {
		return
	}
	if opened == nil {
		d.r.At(n, "the incident has no opened", "opened is the minute whose result opened it; without closed it is open when the test ends")
		return
	}
	at, ok := d.minute(t, opened, "opened", t.start)
	if !ok {
		return
	}
	i.opened = at / 1e6
	if closed != nil {
		if at, ok = d.minute(t, closed, "closed", at); !ok {
			return
		}
		minute := at / 1e6
		i.closed = &minute
	}
	t.incidents = append(t.incidents, i)
}

// minute reads a time without seconds.
func (d *document) minute(t *Test, n *yaml.Node, what string, anchor int64) (int64, bool) {
	at, ok := t.clock.after(d.r, n, what, anchor)
	if ok && at%60e6 != 0 {
		d.r.At(n, what+": dwmon judges whole minutes", "leave the seconds out")
		return 0, false
	}
	return at, ok
}
