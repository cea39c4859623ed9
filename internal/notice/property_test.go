package notice

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	anyText = rapid.OneOf(
		rapid.String(),
		rapid.StringOf(rapid.RuneFrom([]rune("a \n\r\t\x00\x1b\u0085\u200f\u202e\u2066\u2028\ufeff\U000e0041é日\u200d'\";:@/…"))),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		rapid.Map(rapid.SampledFrom([]string{"x", "ab ", "\n", "\xff", "日", "\u202e", "a/b "}), func(s string) string { return strings.Repeat(s, 1500) }),
	)
	anyInt = rapid.OneOf(
		rapid.Int64(), rapid.Int64Range(-2, 100), rapid.Int64Range(1_500_000_000, 2_000_000_000), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 0}),
	)
	anyStatus = rapid.SampledFrom([]dwmon.Status{dwmon.NoStatus, dwmon.Good, dwmon.Bad, dwmon.Unknown})
	anyBound  = rapid.Custom(func(t *rapid.T) dwmon.Bound {
		return dwmon.Bound{N: rapid.OneOf(rapid.Int64Range(0, 50), rapid.Int64Min(0)).Draw(t, "n"), Set: rapid.Bool().Draw(t, "set")}
	})
	anyWindows = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) dwmon.NoticeWindow {
		return dwmon.NoticeWindow{Minute: anyInt.Draw(t, "minute"), Count: anyInt.Draw(t, "count"), Status: anyStatus.Draw(t, "status")}
	}), 0, 300)
	anyResult = rapid.Custom(func(t *rapid.T) *dwmon.Result {
		if rapid.Bool().Draw(t, "none") {
			return nil
		}
		return &dwmon.Result{
			CheckerName: anyText.Draw(t, "name"), EventCount: anyInt.Draw(t, "count"), Min: anyBound.Draw(t, "min"), Max: anyBound.Draw(t, "max"),
			Status: anyStatus.Draw(t, "status"), Reason: rapid.SampledFrom([]dwmon.Reason{"", dwmon.Low, dwmon.High, dwmon.Truncated, "odd\n"}).Draw(t, "reason"),
			Minute: anyInt.Draw(t, "minute"), LookbackSeconds: anyInt.Draw(t, "look-back"), EvaluatedAt: anyInt.Draw(t, "evaluated"),
			Source: anyText.Draw(t, "source"), Owner: anyText.Draw(t, "owner"), Requirement: anyText.Draw(t, "line"), CatchUp: rapid.Bool().Draw(t, "catch-up"),
		}
	})
)

const password = "hunter2-secret"

func drawData(t *rapid.T) Data {
	text := func(label string) string { return anyText.Draw(t, label) }
	d := Data{
		Kind:         rapid.SampledFrom([]dwmon.NoticeKind{dwmon.NoticeOpened, dwmon.NoticeRepeated, dwmon.NoticeRecovered, dwmon.NoticeCorrected, dwmon.NoticeDigest, dwmon.NoticeTest, "odd"}).Draw(t, "kind"),
		Installation: "5f", Result: anyResult.Draw(t, "result"), Opening: anyResult.Draw(t, "opening"),
		Checks: anyInt.Draw(t, "checks"), Bad: anyInt.Draw(t, "bad"), Windows: anyWindows.Draw(t, "windows"),
		Names: rapid.SliceOfN(anyText, 0, 40).Draw(t, "names"), Newest: rapid.SliceOfN(anyText, 0, 40).Draw(t, "newest"), Oldest: rapid.SliceOfN(anyText, 0, 3).Draw(t, "oldest"),
		Times: int(rapid.Int64Range(-1, 100).Draw(t, "times")), Handler: text("handler"), Ack: text("ack"), Now: anyInt.Draw(t, "now"),
	}
	for range rapid.IntRange(0, 20).Draw(t, "weeks") {
		d.Former = append(d.Former, Former{rapid.Int().Draw(t, "ago"), anyInt.Draw(t, "former")})
	}
	if rapid.Bool().Draw(t, "zoned") {
		d.Zone = mustZone(rapid.SampledFrom([]string{"Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Local"}).Draw(t, "zone"))
	}
	d.Incident = dwmon.Incident{
		ID: anyInt.Draw(t, "id"), Subject: rapid.SampledFrom([]dwmon.Subject{"", dwmon.SubjectCount, dwmon.SubjectChecker, dwmon.SubjectSource, dwmon.SubjectDwmon}).Draw(t, "subject"),
		Checker: text("incident's checker"), Source: text("incident's source"), Requirement: text("incident's line"), Opened: anyInt.Draw(t, "opened"),
		Cause: text("cause"), Checkers: anyInt.Draw(t, "checkers"), End: rapid.SampledFrom([]dwmon.IncidentEnd{"", dwmon.EndRecovered, dwmon.EndOff, "odd\n"}).Draw(t, "end"),
	}
	if rapid.Bool().Draw(t, "closed") {
		d.Incident.Closed = new(anyInt.Draw(t, "closed at"))
	}
	if rapid.Bool().Draw(t, "acked") {
		d.Incident.Ack = &dwmon.Ack{By: text("by"), Comment: text("comment"), At: anyInt.Draw(t, "acked at"), Until: anyInt.Draw(t, "until")}
	}
	if rapid.Bool().Draw(t, "with checker") {
		d.Checker = &dwmon.Checker{
			Name: text("checker"), Source: "postgres://u:" + password + "@db/" + text("database"), Extra: []byte(text("extra")),
			Options: dwmon.Options{
				Owner: text("owner"), Description: text("description"), Runbook: text("runbook"), HideKeys: rapid.Bool().Draw(t, "hide keys"),
				Labels: rapid.MapOfN(anyText, anyText, 0, 5).Draw(t, "labels"),
			},
		}
		d.Incident.Cause += "; cannot reach " + d.Checker.Source + ", password " + password
	}
	if rapid.Bool().Draw(t, "corrected") {
		d.Correction = &Correction{anyInt.Draw(t, "count now"), anyStatus.Draw(t, "status now"), anyInt.Draw(t, "at")}
	}
	if rapid.Bool().Draw(t, "caught up") {
		d.CatchUp = &CatchUp{dwmon.CatchUp{
			Checker: text("caught up"), From: anyInt.Draw(t, "from"), To: anyInt.Draw(t, "to"), Checks: anyInt.Draw(t, "n"), Bad: anyInt.Draw(t, "bad"),
			Unknown: anyInt.Draw(t, "unknown"), LastBad: anyInt.Draw(t, "last bad"), Down: text("down"),
		}, dwmon.StateGood}
	}
	return d
}

// checkText says whether a text is fit for any screen, and short enough.
func checkText(t *rapid.T, what, text string, most int, allowed string) {
	t.Helper()
	if n := utf8.RuneCountInString(text); n > most {
		t.Fatalf("%s has %d characters, more than %d: %.300q", what, n, most, text)
	}
	if !utf8.ValidString(text) {
		t.Fatalf("%s is no UTF-8: %.300q", what, text)
	}
	for _, r := range text {
		if hostile(r) && !strings.ContainsRune(allowed, r) {
			t.Fatalf("%s holds %U: %.300q", what, r, text)
		}
	}
	if strings.Contains(text, password) {
		t.Fatalf("%s shows the password: %.300q", what, text)
	}
}

func checkNotice(t *rapid.T, n *dwmon.Notice) {
	t.Helper()
	checkText(t, "the summary", n.Summary, maxSummary, "")
	if n.Summary == "" {
		t.Fatal("the summary is empty")
	}
	checkText(t, "the detail", n.Detail, 30*(maxFact+100), "\n")
	if len(n.Facts) > 30 || len(n.Windows) > maxWindows || len(n.Keys) > maxKeys {
		t.Fatalf("%d facts, %d windows, %d keys", len(n.Facts), len(n.Windows), len(n.Keys))
	}
	for _, f := range n.Facts {
		checkText(t, "the fact "+f.Label, f.Value, maxFact, "")
		if f.Label == "" || f.Value == "" {
			t.Fatalf("an empty fact: %+v", f)
		}
	}
	for _, k := range n.Keys {
		checkText(t, "a key", k, maxKey, "")
	}
	if i := n.Incident; i != nil {
		checkText(t, "the cause", i.Cause, maxFact, "")
	}
	for _, text := range []string{n.Source, n.Owner, n.Description, n.Runbook} {
		checkText(t, "a text", text, maxFact, "")
	}
	for k, v := range n.Labels {
		checkText(t, "a label", k, maxFact, "")
		checkText(t, "a label", v, maxFact, "")
	}
}

func TestComposeKeepsItsBounds(t *testing.T) {
	tmpl, err := ParseTemplate(`{{printf "%v" .}}`, `{{json .}}{{range .Windows}}{{.}}{{end}}{{sparkline .Windows .Min .Max}}{{duration .Lasted}}{{date "Jan 2 15:04" .Opened}}`)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		var all []dwmon.Notice
		for range rapid.IntRange(1, 3).Draw(t, "notices") {
			d := drawData(t)
			n := Compose(d)
			checkNotice(t, &n)
			if diff := cmp.Diff(n, Compose(d)); diff != "" {
				t.Fatalf("the same data say something else:\n%.3000s", diff)
			}
			if d.Checker != nil && d.Checker.Options.HideKeys && len(n.Keys) > 0 {
				t.Fatalf("keys are hidden, and shown: %q", n.Keys)
			}
			all = append(all, n)
			d.Checker, d.Incident.Cause = nil, "" // the template may show EXTRA, and only a checker's password is known
			n = Compose(d)
			if err := tmpl.Apply(&n, d); err == nil {
				checkText(t, "the summary", n.Summary, maxSummary, "")
				checkText(t, "the detail", n.Detail, maxOutput, "\n\t")
			} else {
				checkNotice(t, &n)
			}
		}
		g := Group(all, anyInt.Draw(t, "now"))
		checkNotice(t, &g)
		if len(all) > 1 && len(g.Items) != len(all) {
			t.Fatalf("%d items of %d notices", len(g.Items), len(all))
		}
	})
}

// Two keys that differ are shown as texts that differ, where they are short.
func TestCleanKeepsTextsApart(t *testing.T) {
	short := rapid.StringOfN(rapid.RuneFrom([]rune("ab\n\r\t\x00\u202e\u200f\u0085é")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := short.Draw(t, "a"), short.Draw(t, "b")
		if a != b && clean(a) == clean(b) {
			t.Fatalf("%q and %q are both shown as %q", a, b, clean(a))
		}
	})
}

// ordered are the marks of a sparkline, from the lowest.
const ordered = "▁▂▃▄▅▆▇█"

func TestSparklineFollowsCountsAndRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low, high := anyBound.Draw(t, "low"), anyBound.Draw(t, "high")
		if low.Set && high.Set && low.N > high.N {
			low, high = dwmon.At(high.N), dwmon.At(low.N)
		}
		var windows []dwmon.NoticeWindow
		for i := range rapid.IntRange(0, 50).Draw(t, "windows") {
			count := rapid.OneOf(rapid.Int64Range(0, 60), rapid.Int64Min(0)).Draw(t, "count")
			windows = append(windows, dwmon.NoticeWindow{Minute: int64(i) * 60, Count: count, Status: dwmon.Good})
		}
		marks := []rune(Sparkline(windows, low, high))
		if len(marks) != len(windows) {
			t.Fatalf("%d marks for %d windows: %s", len(marks), len(windows), string(marks))
		}
		r := dwmon.Requirement{Min: low, Max: high}
		for i, w := range windows {
			level := strings.IndexRune(ordered, marks[i])
			status, reason := r.Judge(w.Count)
			if level < 0 || (level == 0) != (w.Count == 0) {
				t.Fatalf("%d is drawn as %c", w.Count, marks[i])
			}
			if inRange := strings.ContainsRune(string(sparkLow), marks[i]); w.Count > 0 && low.Set && inRange != (reason == dwmon.Low) {
				t.Fatalf("%d of at least %d is drawn as %c", w.Count, low.N, marks[i])
			}
			if above := strings.ContainsRune(string(sparkHigh), marks[i]); high.Set && above != (reason == dwmon.High) {
				t.Fatalf("%d of at most %d is drawn as %c, and is %s", w.Count, high.N, marks[i], status)
			}
			for j := range i {
				if other := strings.IndexRune(ordered, marks[j]); windows[j].Count < w.Count && other > level {
					t.Fatalf("%d is drawn as %c, and %d as %c", windows[j].Count, marks[j], w.Count, marks[i])
				}
			}
		}
	})
}
