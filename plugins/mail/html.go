package main

import (
	_ "embed"
	"html/template"
	"strings"

	"github.com/dwmon/dwmon/plugins/internal/message"
	"github.com/dwmon/dwmon/pluginsdk"
)

//go:embed mail.gohtml
var page string

// The template escapes by context: whatever a name or a fact holds is text.
var layout = template.Must(template.New("mail").Funcs(template.FuncMap{
	"colour": colour,
	"isURL":  message.IsURL,
}).Parse(page))

// colours carry white text, and keep their meaning where a mail program darkens them.
var colours = [...]template.CSS{message.Neutral: "#2b5c9e", message.Good: "#1b6e3a", message.Unknown: "#8a5a00", message.Bad: "#b3261e"}

func colour(t message.Tone) template.CSS { return colours[t] }

const (
	maxMailItems = 100
	chartHeight  = 56 // pixels
)

// bar is one window of the chart.
type bar struct {
	Height int // pixels
	Colour template.CSS
}

func htmlOf(m *message.Message) (string, error) {
	shown, more := m.FirstItems(maxMailItems)
	data := struct {
		*message.Message
		Shown           []message.Item
		More            string
		Bars            []bar
		Caption         string
		Preview, Footer string
	}{
		Message: m, Shown: shown, More: more, Bars: chart(m.Windows), Caption: message.Caption(m.Windows),
		Preview: preview(m), Footer: footer(m),
	}
	var out strings.Builder
	err := layout.Execute(&out, data)
	return out.String(), err
}

// preview is what mail programs show beside the subject: what that does not say.
func preview(m *message.Message) string {
	parts := []string{m.Note, m.Since}
	for _, f := range m.Facts[:min(len(m.Facts), 2)] {
		parts = append(parts, f.Label+": "+f.Value)
	}
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return message.Shorten(strings.Join(said, " · "), 200)
}

// chart draws the windows as bars; nil where there is nothing to compare.
func chart(ws []pluginsdk.Window) (bars []bar) {
	if len(ws) < 2 {
		return nil
	}
	most := max(message.Highest(ws), 1)
	for _, w := range ws {
		b := bar{Height: max(3, int(float64(w.EventCount)/float64(most)*chartHeight)), Colour: "#9aa0a6"}
		switch w.CheckStatus {
		case pluginsdk.Good:
			b.Colour = colours[message.Good]
		case pluginsdk.Bad:
			b.Colour = colours[message.Bad]
		case pluginsdk.Unknown:
			b.Colour = colours[message.Unknown]
		}
		bars = append(bars, b)
	}
	return bars
}
