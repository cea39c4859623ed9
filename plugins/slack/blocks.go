package main

import (
	"strings"
	"unicode/utf8"

	"github.com/dwmon/dwmon/plugins/internal/message"
	"github.com/dwmon/dwmon/plugins/internal/provider"
	"github.com/dwmon/dwmon/pluginsdk"
)

// Slack's limits, in characters where nothing else is said.
const (
	maxBlocks = 50
	maxText   = 3000 // of a section; we keep below, since & < and > count as written
	maxField  = 2000
	maxFields = 10 // of a section
)

// How much of a message is shown.
const (
	shownText  = 2000
	shownField = 300
	shownFacts = 40
	shownItems = 30
)

// content is a message in Block Kit. Text is what phones show of it in a push, and
// what is read aloud.
type content struct {
	Text        string  `json:"text"`
	Blocks      []block `json:"blocks"`
	UnfurlLinks bool    `json:"unfurl_links"`
	UnfurlMedia bool    `json:"unfurl_media"`
}

type block struct {
	Type     string `json:"type"`
	Text     *text  `json:"text,omitempty"`
	Fields   []text `json:"fields,omitempty"`
	Elements []text `json:"elements,omitempty"`
}

type text struct {
	Type string `json:"type"`
	Text string `json:"text"`
	// Emoji is for plain_text only. Verbatim: nothing in the text becomes a link or
	// a mention by itself.
	Emoji    bool `json:"emoji,omitempty"`
	Verbatim bool `json:"verbatim,omitempty"`
}

func contentOf(m *message.Message) content {
	c := content{Text: shorten(m.Tone.Mark()+" "+m.Title(), shownText)}
	c.add(block{Type: "header", Text: &text{Type: "plain_text", Text: m.Tone.Mark() + " " + m.Word, Emoji: true}})
	first := "*" + shorten(m.Summary, shownText) + "*"
	if m.Since != "" {
		first += "\n" + shorten(m.Since, shownField)
	}
	c.section(first, true)
	if m.Note != "" {
		c.section(shorten(m.Note, shownText), true)
	}
	c.items(m)
	if m.Body != "" {
		// A user's template: its links are to be links.
		c.section(shorten(m.Body, shownText), false)
	}
	c.facts(m.Facts)
	if chart := m.Chart(); chart != "" {
		c.context(shorten(chart, shownField))
	}
	return c
}

// add adds a block. Builders stay below the limit by what they show; a message with
// more blocks would be refused as a whole.
func (c *content) add(b block) {
	if len(c.Blocks) < maxBlocks {
		c.Blocks = append(c.Blocks, b)
	}
}

func (c *content) section(s string, verbatim bool) {
	c.add(block{Type: "section", Text: &text{Type: "mrkdwn", Text: s, Verbatim: verbatim}})
}

func (c *content) context(s string) {
	c.add(block{Type: "context", Elements: []text{{Type: "mrkdwn", Text: s, Verbatim: true}}})
}

// items lists what is told together, in as few sections as their limit allows.
func (c *content) items(m *message.Message) {
	shown, more := m.FirstItems(shownItems)
	var lines []string
	for _, i := range shown {
		line := i.Tone.Mark() + " *" + i.Word + "* " + shorten(i.Summary, shownField)
		if i.Owner != "" {
			line += " (" + shorten(i.Owner, shownField) + ")"
		}
		lines = append(lines, line)
	}
	if more != "" {
		lines = append(lines, more)
	}
	var part string
	for _, line := range lines {
		if part != "" && utf8.RuneCountInString(part)+1+utf8.RuneCountInString(line) > maxText {
			c.section(part, true)
			part = ""
		}
		part = strings.TrimPrefix(part+"\n"+line, "\n")
	}
	if part != "" {
		c.section(part, true)
	}
}

func (c *content) facts(facts []pluginsdk.Fact) {
	facts = facts[:min(len(facts), shownFacts)]
	for from := 0; from < len(facts); from += maxFields {
		var fields []text
		for _, f := range facts[from:min(from+maxFields, len(facts))] {
			fields = append(fields, text{Type: "mrkdwn", Text: "*" + shorten(f.Label, shownField) + "*\n" + value(f.Value), Verbatim: true})
		}
		c.add(block{Type: "section", Fields: fields})
	}
}

// value is a fact's value. One that is a link becomes a link.
func value(v string) string {
	if message.IsURL(v) && len(v) <= shownField {
		return "<" + escape(v) + ">"
	}
	return shorten(v, shownField)
}

// shorten escapes a text and cuts it to so many characters, counted as they are
// written then.
func shorten(s string, most int) string {
	for n := most; ; {
		e := escape(provider.Cut(s, n))
		long := utf8.RuneCountInString(e)
		if long <= most {
			return e
		}
		n = n * most / long
	}
}

// escape takes their meaning from the three characters with which links, mentions and
// whole channels are called.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
