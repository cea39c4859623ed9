package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/dwmon/dwmon/plugins/internal/message"
	"github.com/dwmon/dwmon/plugins/internal/provider"
)

// maxBody is the size of a message that Teams takes, less some for what a workflow
// adds.
const maxBody = 27 << 10

// envelope is what a workflow hands on to a channel or a chat.
type envelope struct {
	Type        string       `json:"type"`
	Summary     string       `json:"summary"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	ContentType string `json:"contentType"`
	Content     card   `json:"content"`
}

// card is an Adaptive Card.
type card struct {
	Type         string    `json:"type"`
	Schema       string    `json:"$schema"`
	Version      string    `json:"version"`
	FallbackText string    `json:"fallbackText"`
	MSTeams      msteams   `json:"msteams"`
	Body         []element `json:"body"`
	Actions      []action  `json:"actions,omitempty"`
}

type msteams struct {
	Width string `json:"width"`
}

// element is a Container, or a RichTextBlock: its runs are text as it stands, while a
// TextBlock or a FactSet would take what checkers, sources and keys are named for
// Markdown.
type element struct {
	Type    string    `json:"type"`
	ID      string    `json:"id,omitempty"`
	Style   string    `json:"style,omitempty"`
	Bleed   bool      `json:"bleed,omitempty"`
	Spacing string    `json:"spacing,omitempty"`
	Items   []element `json:"items,omitempty"`
	Inlines []run     `json:"inlines,omitempty"`
}

type run struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Size     string `json:"size,omitempty"`
	Weight   string `json:"weight,omitempty"`
	Color    string `json:"color,omitempty"`
	IsSubtle bool   `json:"isSubtle,omitempty"`
}

type action struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

var (
	styles = [...]string{message.Neutral: "accent", message.Good: "good", message.Unknown: "warning", message.Bad: "attention"}
	colors = [...]string{message.Neutral: "Accent", message.Good: "Good", message.Unknown: "Warning", message.Bad: "Attention"}
)

// size is how much of a message a card shows: how many items and facts, and how many
// characters of a text, of what a template wrote, and of a link.
type size struct{ items, facts, text, body, link int }

// sizes are tried one after the other until the card is small enough: little of
// everything rather than all of the first.
var sizes = []size{{50, 40, 500, 8000, 1000}, {50, 20, 200, 3000, 1000}, {20, 10, 100, 1000, 500}, {5, 5, 50, 200, 200}}

var errTooLarge = errors.New("the card is larger than Teams takes, however much is left out")

// bodyOf is the body of the request: the largest that Teams takes.
func bodyOf(m *message.Message) ([]byte, error) {
	for i, s := range sizes {
		body, err := json.Marshal(envelopeOf(m, s, i > 0))
		if err != nil || len(body) <= maxBody {
			return body, err
		}
	}
	return nil, errTooLarge
}

func envelopeOf(m *message.Message, s size, shortened bool) envelope {
	title := provider.Cut(m.Tone.Mark()+" "+m.Title(), s.text)
	return envelope{
		Type: "message", Summary: title,
		Attachments: []attachment{{
			ContentType: "application/vnd.microsoft.card.adaptive",
			Content: card{
				Type: "AdaptiveCard", Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Version: "1.4",
				FallbackText: title, MSTeams: msteams{"Full"}, Body: bodyElements(m, s, shortened), Actions: actions(m, s),
			},
		}},
	}
}

func bodyElements(m *message.Message, s size, shortened bool) []element {
	all := []element{head(m, s)}
	add := func(runs ...run) { all = append(all, rich(runs...)) }
	if m.Note != "" {
		add(run{Text: m.Note, Weight: "Bolder"})
	}
	shown, more := m.FirstItems(s.items)
	for _, i := range shown {
		runs := []run{{Text: i.Word, Weight: "Bolder", Color: colors[i.Tone]}, {Text: " " + provider.Cut(i.Summary, s.text)}}
		if i.Owner != "" {
			runs = append(runs, run{Text: " (" + provider.Cut(i.Owner, s.text) + ")", IsSubtle: true})
		}
		add(runs...)
	}
	if more != "" {
		add(run{Text: more, IsSubtle: true})
	}
	if m.Body != "" {
		add(run{Text: provider.Cut(m.Body, s.body)})
	}
	facts := m.Facts[:min(len(m.Facts), s.facts)]
	for i, f := range facts {
		e := rich(run{Text: provider.Cut(f.Label, s.text) + ": ", Weight: "Bolder"}, run{Text: provider.Cut(f.Value, s.text)})
		if i > 0 {
			e.Spacing = "Small"
		}
		all = append(all, e)
	}
	if chart := m.Chart(); chart != "" {
		add(run{Text: chart, IsSubtle: true})
	}
	if shortened || len(facts) < len(m.Facts) || utf8.RuneCountInString(m.Body) > s.body {
		add(run{Text: "Shortened: dwmon status has all of it.", IsSubtle: true})
	}
	return all
}

// head is what is seen first.
func head(m *message.Message, s size) element {
	items := []element{
		rich(run{Text: m.Tone.Mark() + " " + m.Word, Size: "Large", Weight: "Bolder"}),
		rich(run{Text: provider.Cut(m.Summary, s.text), Weight: "Bolder"}),
	}
	if m.Since != "" {
		items = append(items, rich(run{Text: provider.Cut(m.Since, s.text)}))
	}
	for i := range items[1:] {
		items[i+1].Spacing = "None"
	}
	return element{Type: "Container", ID: idOf(m.Key), Style: styles[m.Tone], Bleed: true, Items: items}
}

func rich(runs ...run) element {
	for i := range runs {
		runs[i].Type = "TextRun"
	}
	return element{Type: "RichTextBlock", Inlines: runs}
}

// maxActions is how many buttons Teams shows.
const maxActions = 4

// actions are buttons for the facts that are links, the runbook above all.
func actions(m *message.Message, s size) (all []action) {
	for _, f := range m.Facts {
		if message.IsURL(f.Value) && len(f.Value) <= s.link && len(all) < maxActions {
			all = append(all, action{"Action.OpenUrl", provider.Cut(f.Label, 40), f.Value})
		}
	}
	return all
}

// idOf is the idempotency key as a name that any header and any card may hold.
func idOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "dwmon-" + hex.EncodeToString(sum[:16])
}
