package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/bench/svgplot"
	"github.com/dwmon/dwmon/internal/golden"
)

// sampleChart has a line that ends early, and one that could not be measured.
func sampleChart() chart {
	return chart{
		name: "a-by-b", title: "A, by B",
		x: quantity{what: "b", log: true}, y: quantity{what: "a", unit: "ms"},
		curves: []*curve{
			{name: "ours", points: []svgplot.Point{{X: 10, Y: 0.5}, {X: 100, Y: 123.4}}},
			{name: "theirs", err: fmt.Errorf("%w: the tool is not there", errMissing)},
			{name: "short", points: []svgplot.Point{{X: 10, Y: 0.01234}}},
		},
	}
}

func TestPrintedChart(t *testing.T) {
	for name, asJSON := range map[string]bool{"chart.txt": false, "chart.jsonl": true} {
		var out bytes.Buffer
		p := newPrinter(&out, asJSON)
		p.chart(sampleChart(), "plots/a-by-b.svg")
		p.noChart("c-by-d", errors.New("3 rows were new, want 4"))
		golden.Compare(t, filepath.Join("testdata", name), out.String())
		if want := map[string]int{ok: 2, missing: 1, wrong: 1}; !cmp.Equal(p.seen, want) {
			t.Errorf("%s: %v, want %v", name, p.seen, want)
		}
	}
}

// TestDrawnChart: a picture says which line is not there, and why.
func TestDrawnChart(t *testing.T) {
	c, dir := sampleChart(), t.TempDir()
	path, err := c.write(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">ours<", ">short<", ">theirs: not measured: the tool is not there<", "quick, and judges nothing<", ">a, ms<", ">b<"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("there is no %q in\n%s", want, svg)
		}
	}
	if strings.Contains(string(svg), ">theirs<") {
		t.Error("a line without points has a name in the picture")
	}
	c.curves = c.curves[1:2]
	if _, err := c.write(dir, true); err == nil {
		t.Error("a chart without any line was written")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the folder holds %v, %v", files, err)
	}
}

func TestLadder(t *testing.T) {
	for _, tt := range []struct {
		quick    bool
		from, to int
		want     []int
	}{
		{false, 10, 1000, []int{10, 30, 100, 300, 1000}},
		{true, 10, 1000, []int{10, 30, 100}},
		{false, 10_000, 3_000_000, []int{10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000}},
	} {
		if got := (&bench{quick: tt.quick}).ladder(tt.from, tt.to); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// TestSurveys measures each kind of point once, on little data: whatever the costs, the answers
// must be right.
func TestSurveys(t *testing.T) {
	b, err := newBench(t.TempDir(), true, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	curves := []*curve{{}, {}, {}, {}}
	if err := surveyHistoryOf(t.Context(), b, 12_000, curves); err != nil {
		t.Fatal(err)
	}
	for i, c := range curves {
		switch {
		case c.err != nil && os.Getenv("DWMON_TEST_ALL") != "1":
			t.Logf("curve %d: %v", i, c.err)
		case len(c.points) != 1 || c.points[0].X != 12_000 || c.points[0].Y <= 0:
			t.Errorf("curve %d: %v, %v", i, c.points, c.err)
		}
	}
	if took, cpu, err := minuteOf(t.Context(), b, load{rows: 100, fresh: 10}, 150); err != nil || took <= 0 || cpu <= 0 {
		t.Errorf("a minute took %v, each of its passes %v of CPU; %v", took, cpu, err)
	}
	if left, err := os.ReadDir(b.dir); err != nil || len(left) > 0 {
		t.Errorf("what was measured is still there: %v, %v", left, err)
	}
}

// TestCPUIsThatOfTheWork: what is waited for is not counted, what is computed is.
func TestCPUIsThatOfTheWork(t *testing.T) {
	self := []int{os.Getpid()}
	work := func(context.Context) (time.Duration, error) {
		before, err := cpuOf(self)
		for used := before; err == nil && used < before+20*time.Millisecond; {
			used, err = cpuOf(self)
		}
		return 0, err
	}
	got, err := inCPU(self, 2, work)(t.Context())
	if errors.Is(err, errMissing) {
		t.Skip(err)
	}
	if err != nil || got < 10*time.Millisecond {
		t.Errorf("20 ms of CPU for two are %v each, %v", got, err)
	}
	if _, err := cpuOf([]int{1 << 23}); !errors.Is(err, errMissing) {
		t.Errorf("a process that there is not: %v", err)
	}
}

// TestPlotsAreShown: the page shows every plot that the program makes, and the file is there.
func TestPlotsAreShown(t *testing.T) {
	page, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range surveys {
		for _, name := range s.plots {
			if !bytes.Contains(page, fmt.Appendf(nil, "](plots/%s.svg)", name)) {
				t.Errorf("docs/performance.md does not show %s", name)
			}
			if _, err := os.Stat("../../docs/plots/" + name + ".svg"); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestRowsAreExplained: the page has a heading, or a line of a table beside that of figures, for
// each row.
func TestRowsAreExplained(t *testing.T) {
	page, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	page = regexp.MustCompile(`(?s)\n## Figures of one run\n.*?\n## `).ReplaceAll(page, []byte("\n## "))
	explained := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(?:#+|\|) ((?:\d+, )*\d+)[. ]`).FindAllSubmatch(page, -1) {
		for n := range strings.SplitSeq(string(m[1]), ", ") {
			explained[n] = true
		}
	}
	for _, m := range measures {
		if !explained[fmt.Sprint(m.row)] {
			t.Errorf("docs/performance.md does not explain row %d", m.row)
		}
	}
}
