// Package message is what a reader is shown of a notice or a result, before any
// layout: how bad it is, in one word; what, in one line; since when; and the rest in
// the order in which it is wanted. Mail, chats and pushes lay the same message out
// each in their own way, so that none of them says more or less than another.
package message

import (
	"strings"
	"time"
	"unicode"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Tone is how bad it is, for a colour; the greater, the worse.
type Tone int

const (
	// Neutral: nothing is wrong, or nobody knows any more whether it is.
	Neutral Tone = iota
	Good
	Unknown
	Bad
)

// Mark is a sign for people who skim; the word stands beside it always, for those
// who do not see its colour.
func (t Tone) Mark() string { return [...]string{"🔵", "🟢", "🟠", "🔴"}[t] }

// Message is a notice or a result as its reader sees it. All texts but Body are of
// one line each.
type Message struct {
	Tone Tone
	// Word is the state: BAD, STILL BAD, RECOVERED, UNKNOWN, CLOSED, …
	Word    string
	Summary string
	// Since says when it began and, where it has ended, when and how long it took.
	Since string
	// Note is said before all else; empty but for a test.
	Note string
	// Body is what the user's template wrote; there are no Facts then.
	Body  string
	Facts []pluginsdk.Fact
	// Windows are for a chart, oldest first, at most MaxWindows.
	Windows []pluginsdk.Window
	// Items are what is told together, the worst first.
	Items []Item
	// Kind is the notice's, empty for a result; Checker and Incident may be empty.
	Kind     pluginsdk.NoticeKind
	Checker  string
	Incident string
	// Key is the idempotency key.
	Key string
	// Created is when the notice was made, or the result's fetch began.
	Created time.Time
}

// Item is one of several things that are told together.
type Item struct {
	Tone    Tone
	Word    string
	Summary string
	Owner   string
}

// Title is the first line, and whatever a phone shows of it: the word, then the
// summary.
func (m *Message) Title() string { return title(m.Word, m.Summary) }

// Title is the item's line.
func (i *Item) Title() string { return title(i.Word, i.Summary) }

func title(word, summary string) string { return "[" + word + "] " + summary }

// OfNotice is the message of a notice.
func OfNotice(n *pluginsdk.Notice) *Message {
	m := &Message{
		Windows: lastWindows(n.Windows), Items: itemsOf(n.Items, n.Owner),
		Kind: n.Kind, Checker: n.Checker.Name, Key: n.IdempotencyKey, Created: n.Created,
	}
	m.Word, m.Tone = state(n.Kind, n.Incident)
	if n.Kind == pluginsdk.NoticeDigest && strings.HasPrefix(n.Summary, caughtUp) {
		m.Word = caughtUp
	}
	m.Summary = withoutWord(oneLine(n.Summary), m.Word)
	if last := len(n.Results) - 1; m.Tone == Good && last >= 0 && n.Results[last].Bad() {
		// It can be judged again, and is BAD: not green.
		m.Tone = Neutral
	}
	if len(m.Items) > 0 && m.Items[0].Tone >= m.Tone && n.Kind != pluginsdk.NoticeTest {
		m.Word, m.Tone = m.Items[0].Word, m.Items[0].Tone
	}
	if n.Incident != nil {
		m.Incident = n.Incident.ID
		m.Since = since(n.Incident, zoneOf(n.Results))
	}
	if n.Kind == pluginsdk.NoticeTest {
		m.Note = "This is a test of the handler. Nothing happened, and nothing needs to be done."
	}
	m.tell(n)
	return m
}

// tell gives the message its facts: those of the notice, then whatever of its other
// members they leave out.
func (m *Message) tell(n *pluginsdk.Notice) {
	if n.Templated {
		// The template decides what is said.
		m.Body = cleanLines(n.Detail)
		return
	}
	m.Facts = cleanFacts(n.Facts)
	if len(m.Facts) == 0 && len(n.Items) == 0 { // of items it says what they say
		m.Body = cleanLines(n.Detail)
	}
	m.add("Description", n.Description)
	m.add("Runbook", n.Runbook)
	m.add("Owner", n.Owner)
	m.add("Source", n.Source)
	if len(n.Keys) > 0 && !m.says(n.Keys[0]) {
		m.add("Newest keys", strings.Join(n.Keys[:min(len(n.Keys), maxKeys)], ", "))
	}
}

// maxKeys bounds the keys that are shown.
const maxKeys = 5

// add adds a fact unless it is said already.
func (m *Message) add(label, value string) {
	if value = oneLine(value); value != "" && !m.says(value) {
		m.Facts = append(m.Facts, pluginsdk.Fact{Label: label, Value: value})
	}
}

// says says that value stands in the message, as a whole and not within a word.
func (m *Message) says(value string) bool {
	value = oneLine(value)
	texts := []string{m.Body}
	for _, f := range m.Facts {
		texts = append(texts, f.Value)
	}
	for _, text := range texts {
		if containsWord(text, value) {
			return true
		}
	}
	return false
}

func containsWord(text, word string) bool {
	for from := 0; ; {
		at := strings.Index(text[from:], word)
		if at < 0 {
			return false
		}
		at += from
		before, after := []rune(text[:at]), []rune(text[at+len(word):])
		if (len(before) == 0 || !isWordly(before[len(before)-1])) && (len(after) == 0 || !isWordly(after[0])) {
			return true
		}
		from = at + len(word)
	}
}

func isWordly(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '-' }

// state is the word and the tone of one thing that is told.
func state(kind pluginsdk.NoticeKind, i *pluginsdk.Incident) (string, Tone) {
	switch kind {
	case pluginsdk.NoticeOpened:
		return trouble(i)
	case pluginsdk.NoticeRepeated:
		word, tone := trouble(i)
		return "STILL " + word, tone
	case pluginsdk.NoticeRecovered:
		if i != nil && i.End != "" && i.End != "recovered" {
			// The line was edited, or its checker is gone: nobody knows.
			return "CLOSED", Neutral
		}
		return "RECOVERED", Good
	case pluginsdk.NoticeCorrected:
		return "CORRECTED", Neutral
	case pluginsdk.NoticeDigest:
		return "DIGEST", Neutral
	case pluginsdk.NoticeTest:
		return "TEST", Neutral
	default: // of a newer host
		return "NOTICE", Neutral
	}
}

// caughtUp is the word of a digest that tells what was judged late, rather than what
// was not told.
const caughtUp = "CAUGHT UP"

// withoutWord takes the state from the beginning of a summary, where dwmon's own have
// it and those of a user's template may not: it is shown by itself.
func withoutWord(summary, word string) string {
	rest, ok := strings.CutPrefix(summary, word)
	if !ok || !strings.HasPrefix(rest, " ") && !strings.HasPrefix(rest, ":") {
		return summary
	}
	return strings.TrimLeft(rest, ": ")
}

func trouble(i *pluginsdk.Incident) (string, Tone) {
	switch {
	case i == nil || i.Subject == pluginsdk.SubjectCount:
		return "BAD", Bad
	case i.Subject == pluginsdk.SubjectDwmon:
		return "BEHIND", Unknown
	default:
		return "UNKNOWN", Unknown
	}
}

// itemsOf puts the worst first, and keeps the order otherwise. owner is that of all of
// them, told elsewhere.
func itemsOf(items []pluginsdk.Item, owner string) (all []Item) {
	for tone := Bad; tone >= Neutral; tone-- {
		for _, i := range items {
			word, t := state(i.Kind, i.Incident)
			if t != tone {
				continue
			}
			item := Item{Tone: t, Word: word, Summary: withoutWord(oneLine(i.Summary), word)}
			if i.Owner != owner {
				item.Owner = oneLine(i.Owner)
			}
			all = append(all, item)
		}
	}
	return all
}

// since says when an incident began and ended.
func since(i *pluginsdk.Incident, zone string) string {
	from, to := shortTime(i.OpenedLocalTime), shortTime(i.ClosedLocalTime)
	switch {
	case from == "":
		return ""
	case i.Open() || to == "":
		return "since " + from + zone
	}
	if day, clock, ok := strings.Cut(to, " "); ok && strings.HasPrefix(from, day+" ") {
		to = clock
	}
	return from + " to " + to + zone + ", " + Lasted(i.Lasted())
}

// shortTime leaves out seconds that are none.
func shortTime(local string) string {
	if local = oneLine(local); strings.Count(local, ":") == 2 {
		return strings.TrimSuffix(local, ":00")
	}
	return local
}

// zoneOf is the checker's zone, with a space before it; empty where it is the
// reader's own or not known.
func zoneOf(results []pluginsdk.Result) string {
	if len(results) == 0 {
		return ""
	}
	return zone(results[0].TimeZone)
}

func zone(name string) string {
	if name == "" || name == "Local" {
		return ""
	}
	return " " + name
}

func cleanFacts(facts []pluginsdk.Fact) (clean []pluginsdk.Fact) {
	for _, f := range facts {
		clean = append(clean, pluginsdk.Fact{Label: oneLine(f.Label), Value: oneLine(f.Value)})
	}
	return clean
}

// oneLine keeps text that comes from a checker file or a source from starting a line
// of its own, a header above all, and from moving a cursor.
func oneLine(text string) string {
	return strings.TrimSpace(strings.Map(plain, strings.ToValidUTF8(text, "\uFFFD")))
}

// cleanLines is oneLine for each line of a text of several.
func cleanLines(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(strings.Map(plain, strings.ToValidUTF8(l, "\uFFFD")), " ")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// plain makes a space of what moves a cursor, ends a line or turns the direction of
// what follows.
func plain(r rune) rune {
	if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
		return ' '
	}
	return r
}
