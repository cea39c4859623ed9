package checktest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/strictyaml"
	"go.yaml.in/yaml/v3"
)

// Defaults are the daemon's settings, for tests that do not say otherwise.
type Defaults struct {
	Zone    *time.Location
	CatchUp time.Duration
	Alert   dwmon.AlertRule
}

// Target is what a test file says of the checker that it tests.
type Target struct {
	// Checker is a name below the checks folder, File a path relative to the test
	// file. Both are empty where the checker file stands beside the test file.
	Checker, File string
}

// Find reads the checker of a target. Its faults may be warnings.
type Find func(Target) (*dwmon.Checker, []dwmon.FileFault)

// Read reads a test file. It gives all faults, those of the checker file included,
// and a Suite where none of them is an error. file is for people.
func Read(file string, text []byte, find Find, defaults Defaults) (*Suite, []dwmon.FileFault) {
	lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	d := &document{
		r:        &strictyaml.Reader{File: file, Lines: lines},
		defaults: defaults,
		suite:    &Suite{File: file},
	}
	switch {
	case len(text) > MaxBytes:
		return nil, []dwmon.FileFault{d.whole(fmt.Sprintf("the file is larger than %d bytes", MaxBytes), "split it: a checker may have several test files")}
	case !utf8.Valid(text):
		return nil, []dwmon.FileFault{d.whole("the file is not UTF-8", "save it as UTF-8")}
	}
	root := d.r.Read([]byte(strings.Join(lines, "\n")))
	if root == nil {
		if len(d.r.Faults) == 0 {
			d.r.Faults = append(d.r.Faults, d.whole("the file is empty", "it needs at least tests"))
		}
		return nil, d.r.Faults
	}
	d.read(root, find)
	dwmon.SortFaults(d.r.Faults)
	if dwmon.AnyError(d.r.Faults) {
		return nil, append(d.r.Faults, d.checkerFaults...)
	}
	return d.suite, nil
}

// document is a test file while it is read.
type document struct {
	r             *strictyaml.Reader
	defaults      Defaults
	suite         *Suite
	checkerFaults []dwmon.FileFault

	target     Target
	targetNode *yaml.Node
	closed     map[dwmon.Day]string
	tests      *yaml.Node
}

func (d *document) whole(message, hint string) dwmon.FileFault {
	return dwmon.FileFault{File: d.suite.File, Severity: dwmon.SeverityError, Message: message, Hint: hint}
}

func (d *document) place(n *yaml.Node) place {
	p := place{line: n.Line, column: n.Column}
	if n.Line >= 1 && n.Line <= len(d.r.Lines) {
		p.text = d.r.Lines[n.Line-1]
	}
	return p
}

// read reads everything but the tests first: what times mean hangs on the checker.
func (d *document) read(root *yaml.Node, find Find) {
	d.targetNode, d.closed = root, map[dwmon.Day]string{}
	word := func(name string, to *string) func(*yaml.Node) {
		return func(n *yaml.Node) { d.targetNode = n; *to, _ = d.r.Word(n, name) }
	}
	alert := dwmon.AlertSettings{}
	seen := d.r.Fields(root, "the test file", []strictyaml.Field{
		{Name: "checker", Read: word("checker", &d.target.Checker)},
		{Name: "file", Read: word("file", &d.target.File)},
		{Name: "timezone", Read: func(n *yaml.Node) {
			if zone, ok := d.r.Zone(n, "timezone"); ok {
				d.defaults.Zone = zone
			}
		}},
		{Name: "catch_up", Read: func(n *yaml.Node) {
			if long, ok := d.r.Duration(n, "catch_up", time.Minute, dwmon.MaxRewind*time.Minute); ok {
				d.defaults.CatchUp = long
			}
		}},
		{Name: "alert", Read: func(n *yaml.Node) { alert = d.r.Alert(n, "alert") }},
		{Name: "closed_days", Read: func(n *yaml.Node) { d.closedDays(n, d.closed) }},
		{Name: "tests", Read: func(n *yaml.Node) { d.tests = n }},
	})
	d.defaults.Alert = alert.Over(d.defaults.Alert)
	if seen["checker"] && seen["file"] {
		d.r.At(d.targetNode, "checker and file both say what is tested", "remove one of them")
	}
	if d.tests == nil {
		if root.Kind == yaml.MappingNode {
			d.r.At(root, "tests is missing", "tests is a list: each has name, start, rows and expect")
		}
		return
	}
	if dwmon.AnyError(d.r.Faults) {
		return
	}
	if d.suite.Checker = d.findChecker(find); d.suite.Checker == nil {
		return
	}
	d.readTests()
}

func (d *document) findChecker(find Find) *dwmon.Checker {
	c, faults := find(d.target)
	d.checkerFaults = faults
	if c == nil {
		message, hint := "the checker has faults: see below", ""
		if len(faults) == 1 && faults[0].Line == 0 {
			message = "the checker cannot be read: see below"
			hint = "checker is a name below the checks folder, file a path from here; without both, the checker is the file of the same name beside this one"
		}
		d.r.At(d.targetNode, message, hint)
		return nil
	}
	return c
}

func (d *document) closedDays(n *yaml.Node, to map[dwmon.Day]string) {
	nodes, ok := d.r.List(n, "closed_days", "a list of dates, such as [2026-12-25]")
	if !ok {
		return
	}
	for _, node := range nodes {
		text, ok := d.r.Word(node, "a closed day")
		if !ok {
			continue
		}
		date, err := time.Parse(time.DateOnly, text)
		if err != nil {
			d.r.At(node, fmt.Sprintf("%q is no day", text), "write YYYY-MM-DD")
			continue
		}
		to[dwmon.DayOf(date.Date())] = "a closed day"
	}
}

func (d *document) readTests() {
	nodes, ok := d.r.List(d.tests, "tests", "a list: each has name, start, rows and expect")
	if !ok {
		return
	}
	if len(nodes) == 0 {
		d.r.At(d.tests, "tests is empty", "a test has name, start, rows and expect")
	}
	names := map[string]bool{}
	for _, n := range nodes {
		known := len(d.r.Faults)
		t := d.test(n)
		if t == nil || len(d.r.Faults) > known {
			continue
		}
		if names[t.Name] {
			d.r.At(n, fmt.Sprintf("two tests are called %q", t.Name), "rename one of them")
		}
		names[t.Name] = true
		d.suite.Tests = append(d.suite.Tests, *t)
	}
}

// test reads one test. Its start is read first: other times hang on it.
func (d *document) test(n *yaml.Node) *Test {
	c := d.suite.Checker
	zone := c.Zone(d.defaults.Zone)
	t := &Test{
		place: d.place(n), clock: clock{zone: zone}, alert: c.Options.Alert.Over(d.defaults.Alert), catchUp: int64(d.defaults.CatchUp / time.Minute),
	}
	closed := map[dwmon.Day]string{}
	for day, name := range d.closed {
		closed[day] = name
	}
	var end *yaml.Node
	var later []func()
	then := func(read func(*Test, *yaml.Node)) func(*yaml.Node) {
		return func(n *yaml.Node) { later = append(later, func() { read(t, n) }) }
	}
	known := len(d.r.Faults)
	seen := d.r.Fields(n, "a test", []strictyaml.Field{
		{Name: "name", Read: func(n *yaml.Node) { d.name(t, n) }},
		{Name: "start", Read: func(n *yaml.Node) { d.start(t, n) }},
		{Name: "end", Read: func(n *yaml.Node) { end = n }},
		{Name: "closed_days", Read: func(n *yaml.Node) { d.closedDays(n, closed) }},
		{Name: "rows", Read: then(d.rows)},
		{Name: "source", Read: then(d.source)},
		{Name: "dwmon", Read: then(d.dwmon)},
		{Name: "expect", Read: then(d.expectations)},
		{Name: "incidents", Read: then(d.incidentList)},
	})
	for _, name := range []string{"name", "start"} {
		if !seen[name] && len(d.r.Faults) == known {
			d.r.At(n, name+" is missing in the test", "a test has name, start, rows and expect")
		}
	}
	if t.start == 0 || t.Name == "" {
		return nil
	}
	t.closed = dwmon.NewClosedDays(closed)
	for _, read := range later {
		read()
	}
	if len(t.expect) == 0 && !t.allIncidents && len(d.r.Faults) == known {
		d.r.At(n, "the test expects nothing", "say with expect which minutes are GOOD, BAD, …, or with incidents which there are")
	}
	d.end(t, end, n)
	return t
}

// name is shown on terminals.
func (d *document) name(t *Test, n *yaml.Node) {
	if t.Name, _ = d.r.Word(n, "name"); strings.ContainsFunc(t.Name, unicode.IsControl) {
		d.r.At(n, "name holds a line break, a tab or the like", "write one line")
		t.Name = ""
	}
}

func (d *document) start(t *Test, n *yaml.Node) {
	text, ok := d.r.Word(n, "start")
	if !ok {
		return
	}
	const hint = "write a date and a time: 2026-03-28 22:00, or RFC 3339"
	if m := localTime.FindStringSubmatch(text); m != nil && m[1] == "" || strings.ContainsAny(text[:1], "+-") {
		d.r.At(n, "start has no date", hint)
		return
	}
	at, fault := t.clock.read(text, 0)
	if fault != nil {
		d.r.At(n, "start: "+fault.message, strings.Replace(fault.hint, timeHint, hint, 1))
		return
	}
	t.start, t.clock.start = at, at
}

// end settles when the test ends: as it says, else when all that it names is judged.
func (d *document) end(t *Test, n *yaml.Node, test *yaml.Node) {
	grace := d.suite.Checker.Options.Grace.Microseconds()
	last := t.start
	for _, e := range t.expect {
		last = max(last, e.until-60e6+grace)
	}
	for _, i := range t.incidents {
		last = max(last, i.opened*1e6+grace)
		if i.closed != nil {
			last = max(last, *i.closed*1e6+grace)
		}
	}
	t.end = t.seen(last + t.source.lag)
	if n != nil {
		at, ok := t.clock.after(d.r, n, "end", t.start)
		if !ok {
			return
		}
		t.end = at
		for _, e := range t.expect {
			if e.until-60e6 > at {
				d.fault(e.place, fmt.Sprintf("%s lies after the end of the test, %s", t.clock.show(e.until-60e6), t.clock.show(at)), "move end, or leave it out: a test ends when all that it names is judged")
			}
		}
	}
	for _, r := range t.firsts {
		if r.at > t.end {
			d.fault(r.place, fmt.Sprintf("the row comes at %s, after the end of the test, %s", t.clock.show(r.at), t.clock.show(t.end)),
				"a time without a date is the first after start; write its date, or -5m for five minutes before start")
		}
	}
	switch long := t.end - t.start; {
	case long < 0:
		d.r.At(test, "the test ends before it starts", "times without a date are the first after start; write dates")
	case long > (MaxDays * 24 * time.Hour).Microseconds():
		d.r.At(test, fmt.Sprintf("the test takes longer than %d days, from %s to %s", MaxDays, t.clock.show(t.start), t.clock.show(t.end)), "")
	}
}

// seen is the minute in which what happens at a time is seen: later where dwmon or
// the source is down.
func (t *Test) seen(at int64) int64 {
	at = ceilMinute(at)
	for _, s := range slices.SortedFunc(slices.Values(append(slices.Clone(t.down), t.source.down...)), func(a, b span) int { return cmp.Compare(a.from, b.from) }) {
		if s.holds(at + passAfter) {
			at = ceilMinute(s.until)
		}
	}
	return at
}

// ceilMinute rounds microseconds up to a whole minute.
func ceilMinute(micros int64) int64 { return -dwmon.FloorMinute(-(micros+999_999)/1e6) * 1e6 }

// fault reports a fault at a place that was noted.
func (d *document) fault(p place, message, hint string) {
	d.r.At(&yaml.Node{Line: p.line, Column: p.column}, message, hint)
}

// spans reads a list of {from, until}.
func (d *document) spans(t *Test, n *yaml.Node, what string) (spans []span) {
	nodes, ok := d.r.List(n, what, "a list of {from: …, until: …}")
	if !ok {
		return nil
	}
	for _, node := range nodes {
		if s, ok := d.span(t, node, what); ok {
			spans = append(spans, s)
		}
	}
	return spans
}

func (d *document) span(t *Test, n *yaml.Node, what string) (span, bool) {
	var from, until *yaml.Node
	d.r.Fields(n, "a span of "+what, []strictyaml.Field{
		{Name: "from", Read: func(n *yaml.Node) { from = n }},
		{Name: "until", Read: func(n *yaml.Node) { until = n }},
	})
	if n.Kind != yaml.MappingNode {
		return span{}, false
	}
	return d.fromUntil(t, n, from, until, "a span of "+what)
}

// fromUntil reads the ends of a span. An until without a date is the first after from.
func (d *document) fromUntil(t *Test, n, from, until *yaml.Node, what string) (s span, ok bool) {
	if from == nil || until == nil {
		d.r.At(n, what+" needs from and until", "from is included, until is not")
		return s, false
	}
	if s.from, ok = t.clock.after(d.r, from, "from", t.start); !ok {
		return s, false
	}
	if s.until, ok = t.clock.after(d.r, until, "until", s.from+1); !ok {
		return s, false
	}
	if s.until <= s.from {
		d.r.At(until, fmt.Sprintf("until, %s, is not after from, %s", t.clock.show(s.until), t.clock.show(s.from)), "from is included, until is not")
		return s, false
	}
	return s, true
}

func (d *document) source(t *Test, n *yaml.Node) {
	d.r.Fields(n, "source", []strictyaml.Field{
		{Name: "down", Read: func(n *yaml.Node) { t.source.down = d.spans(t, n, "source.down") }},
		{Name: "limit", Read: func(n *yaml.Node) { t.source.limit, _ = d.r.Int(n, "source.limit", 1, dwmon.DefaultMaxRows) }},
		{Name: "lag", Read: func(n *yaml.Node) {
			lag, _ := d.r.Duration(n, "source.lag", time.Second, 0)
			t.source.lag = lag.Microseconds()
		}},
	})
}

func (d *document) dwmon(t *Test, n *yaml.Node) {
	d.r.Fields(n, "dwmon", []strictyaml.Field{
		{Name: "down", Read: func(n *yaml.Node) { t.down = d.spans(t, n, "dwmon.down") }},
	})
}
