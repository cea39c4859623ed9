package message

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dwmon/dwmon/plugins/internal/noticetest"
	"github.com/dwmon/dwmon/pluginsdk"
	"pgregory.net/rapid"
)

func TestWhatAReaderSeesFirst(t *testing.T) {
	for name, want := range map[string]struct {
		title, since string
		tone         Tone
	}{
		"opened_low":           {"[BAD] shop/orders: 4 rows in the 3 min before 14:10, fewer than 5", "since 2026-03-02 14:10 Europe/Berlin", Bad},
		"opened_high_catch_up": {"[BAD] shop/orders: 61 rows in the 3 min before 14:10, more than 20 (caught up)", "since 2026-03-02 14:10 Europe/Berlin", Bad},
		"repeated":             {"[STILL BAD] shop/orders: 0 rows in the 3 min before 15:10, fewer than 5 (since 14:10, 1 h)", "since 2026-03-02 14:10 Europe/Berlin", Bad},
		"recovered":            {"[RECOVERED] shop/orders after 42 min: 9 rows in the 3 min before 14:52", "2026-03-02 14:10 to 14:52 Europe/Berlin, 42 min", Good},
		"line_changed":         {"[CLOSED] shop/orders after 10 min: the line was changed", "2026-03-02 14:10 to 14:20, 10 min", Neutral},
		"checker_unknown":      {`[UNKNOWN] shop/orders: column "order_id" does not exist`, "since 2026-03-02 14:10", Unknown},
		"source_down":          {"[UNKNOWN] 12 checkers: source AWS: connection refused", "since 2026-03-02 14:10", Unknown},
		"source_up":            {"[RECOVERED] 12 checkers after 8 h 5 min: source AWS", "2026-03-02 14:10 to 22:15, 8 h 5 min", Good},
		"dwmon_behind":         {"[BEHIND] dwmon: 40 passes were not done, 7 min behind", "since 2026-03-02 14:10", Unknown},
		"corrected":            {"[CORRECTED] shop/orders: 4 → 7 rows in the 3 min before 14:10: it was BAD, now GOOD", "", Neutral},
		"digest":               {"[CAUGHT UP] shop/orders, 09:10 to 11:40: 3 of 150 checks were BAD, last 10:02; now GOOD", "", Neutral},
		"grouped":              {"[BAD] 1 recovered, 1 BAD, 1 UNKNOWN, 1 still BAD: shop/carts, shop/orders, billing/invoices, shop/refunds", "", Bad},
		"templated":            {"[BAD] shop/orders: 4 rows in the 3 min before 14:10, fewer than 5", "since 2026-03-02 14:10 Europe/Berlin", Bad},
		"test":                 {"[TEST] dwmon tries the handler ops; nothing has happened", "", Neutral},
	} {
		t.Run(name, func(t *testing.T) {
			found := false
			for _, s := range noticetest.All() {
				if s.Name != name {
					continue
				}
				found = true
				m := OfNotice(&s.Notice)
				if m.Title() != want.title || m.Since != want.since || m.Tone != want.tone {
					t.Errorf("%s | %s | %d", m.Title(), m.Since, m.Tone)
				}
			}
			if !found {
				t.Error("there is no such sample")
			}
		})
	}
}

func TestWhatCanBeJudgedAgainAndIsBadIsNotGreen(t *testing.T) {
	n := noticetest.Recovered()
	n.Incident.Subject = pluginsdk.SubjectChecker
	n.Results = noticetest.OpenedLow().Results
	if m := OfNotice(&n); m.Tone != Neutral || m.Word != "RECOVERED" {
		t.Error(m.Tone, m.Word)
	}
}

func TestWhatItemsSayIsSaidOnce(t *testing.T) {
	n := noticetest.Grouped(4)
	if m := OfNotice(&n); m.Body != "" || strings.Count(m.Text(), "permission denied") != 1 {
		t.Error(m.Text())
	}
}

// TestASummaryOfAUsersOwn may lack the word, or have it in another place.
func TestASummaryOfAUsersOwn(t *testing.T) {
	for summary, want := range map[string]string{
		"orders are low":   "[BAD] orders are low",
		"BAD: orders":      "[BAD] orders",
		"BADGER sightings": "[BAD] BADGER sightings",
		"orders are BAD":   "[BAD] orders are BAD",
		"BAD":              "[BAD] BAD",
	} {
		n := noticetest.OpenedLow()
		n.Summary = summary
		if got := OfNotice(&n).Title(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	n := pluginsdk.Notice{Kind: pluginsdk.NoticeDigest, Summary: "4,000 results were not told"}
	if got := OfNotice(&n).Title(); got != "[DIGEST] 4,000 results were not told" {
		t.Error(got)
	}
}

func TestText(t *testing.T) {
	for _, s := range noticetest.All() {
		t.Run(s.Name, func(t *testing.T) {
			m := OfNotice(&s.Notice)
			noticetest.Golden(t, s.Name+".txt", m.Title()+"\n\n"+m.Text()+"\n")
		})
	}
}

func TestSamplesHaveKeysOfTheirOwn(t *testing.T) {
	seen := map[string]string{}
	for _, s := range noticetest.All() {
		if other := seen[s.Notice.IdempotencyKey]; other != "" {
			t.Errorf("%s and %s have the same key", s.Name, other)
		}
		seen[s.Notice.IdempotencyKey] = s.Name
	}
}

func TestNothingIsSaidTwice(t *testing.T) {
	n := noticetest.OpenedLow()
	text := OfNotice(&n).Text()
	for _, once := range []string{"payments", "ord-20260302-88213", n.Runbook, n.Description} {
		if got := strings.Count(text, once); got != 1 {
			t.Errorf("%q stands there %d times:\n%s", once, got, text)
		}
	}
	n.Facts = append(n.Facts, pluginsdk.Fact{Label: "Last windows", Value: "▁▂▃"})
	if text := OfNotice(&n).Text(); strings.Contains(text, Sparkline(n.Windows)) {
		t.Errorf("two charts:\n%s", text)
	}
	// A part of a word is not the word.
	n.Facts = []pluginsdk.Fact{{Label: "x", Value: "payments-eu and repayments"}}
	if text := OfNotice(&n).Text(); !strings.Contains(text, "Owner: payments\n") {
		t.Errorf("the owner is missing:\n%s", text)
	}
}

func TestAHostileNoticeStaysOnItsLines(t *testing.T) {
	n := noticetest.Hostile()
	m := OfNotice(&n)
	lines := []string{m.Title(), m.Since, m.Checker}
	for _, f := range m.Facts {
		lines = append(lines, f.Label, f.Value)
	}
	for _, line := range lines[:2] {
		if strings.ContainsFunc(line, func(r rune) bool {
			return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
		}) {
			t.Errorf("%q", line)
		}
	}
	if strings.Contains(m.Text(), "\nBcc:") {
		t.Error(m.Text())
	}
}

func TestOfResult(t *testing.T) {
	n := noticetest.OpenedLow()
	ev := pluginsdk.CheckEvent{Result: n.Results[0], IdempotencyKey: "k"}
	for _, c := range []struct {
		name   string
		change func(*pluginsdk.Result)
		want   string
	}{
		{"low", func(*pluginsdk.Result) {}, "[BAD] shop/orders: 4 rows in the 3 min before 14:10, fewer than 5"},
		{"high", func(r *pluginsdk.Result) { r.EventCount = 21 }, "[BAD] shop/orders: 21 rows in the 3 min before 14:10, more than 20"},
		{"good", func(r *pluginsdk.Result) { r.EventCount, r.CheckStatus = 1, pluginsdk.Good }, "[GOOD] shop/orders: 1 row in the 3 min before 14:10"},
		{"unknown", func(r *pluginsdk.Result) { r.CheckStatus, r.Reason = pluginsdk.Unknown, "truncated" }, "[UNKNOWN] shop/orders: 4 rows in the 3 min before 14:10, which proves nothing: truncated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := ev
			c.change(&e.Result)
			m := OfResult(&e)
			if m.Title() != c.want || m.Key != "k" {
				t.Error(m.Title())
			}
		})
	}
	ev.CatchUp, ev.ConsecutiveBad = true, 3
	want := "Minute: 2026-03-02 14:10 Europe/Berlin\nCount: 4, 5 to 20\nLine: " + ev.Requirement +
		"\nIn a row: 3 times BAD\nJudged late: caught up at 2026-03-02 13:10 UTC\nOwner: payments\nSource: AWS"
	if got := OfResult(&ev).Text(); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestLasted(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", 180 * time.Second: "3 min", 90 * time.Second: "1 min 30 s", time.Hour: "1 h",
		3*time.Hour + 5*time.Minute + 7*time.Second: "3 h 5 min", 52 * time.Hour: "2 d 4 h", 48*time.Hour + 5*time.Minute: "2 d",
	} {
		if got := Lasted(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

func TestItems(t *testing.T) {
	n := noticetest.Grouped(120)
	m := OfNotice(&n)
	for i := 1; i < len(m.Items); i++ {
		if m.Items[i].Tone > m.Items[i-1].Tone {
			t.Fatalf("item %d is worse than the one before it", i)
		}
	}
	if text := m.Text(); strings.Count(text, "\n- ") != maxItems-1 || !strings.HasSuffix(text, "and 70 more: see dwmon status\n\nOwner: payments") {
		t.Error(text)
	}
}

func TestSparkline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.Int64Range(-1, 1<<40), 0, 40).Draw(t, "counts")
		var ws []pluginsdk.Window
		for _, n := range counts {
			ws = append(ws, pluginsdk.Window{EventCount: n})
		}
		line := []rune(Sparkline(ws))
		if len(line) != len(ws) {
			t.Fatal(string(line))
		}
		for i := range ws {
			for j := range ws {
				if ws[i].EventCount > ws[j].EventCount && line[i] < line[j] {
					t.Fatalf("%d is drawn lower than %d: %s", ws[i].EventCount, ws[j].EventCount, string(line))
				}
			}
		}
		if most := Highest(ws); most > 0 && !strings.ContainsRune(string(line), '█') {
			t.Fatal(string(line))
		}
	})
}

func TestShorten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		n := rapid.IntRange(0, 40).Draw(t, "n")
		short := Shorten(text, n)
		if len(short) > n || !utf8.ValidString(short) || (len(text) <= n && short != text) {
			t.Fatalf("%q", short)
		}
		if rest, cut := strings.CutSuffix(short, "…"); len(text) > n && n >= 3 && (!cut || !strings.HasPrefix(text, rest)) {
			t.Fatalf("%q of %q", short, text)
		}
	})
}

func TestTold(t *testing.T) {
	var told Told
	all := []string{"a", "b", "c"}
	told.Add("k", []string{"a", "c"})
	told.Add("", all)
	if got := fmt.Sprint(told.Left("k", all), told.Left("other", all), told.Left("", all)); got != "[b] [a b c] [a b c]" {
		t.Error(got)
	}
	for i := range maxTold {
		told.Add(fmt.Sprint(i), all)
	}
	if got := told.Left("k", all); len(got) != 3 || len(told.who) != maxTold {
		t.Error("the oldest is remembered for ever", got, len(told.who))
	}
}

func TestIsURL(t *testing.T) {
	for text, want := range map[string]bool{
		"https://wiki.example.com/a?b=c": true, "http://x": true, "javascript:alert(1)": false, "see https://x": false, "https://x y": false,
		"https://x\"onclick": false, "": false,
	} {
		if IsURL(text) != want {
			t.Error(text)
		}
	}
}
