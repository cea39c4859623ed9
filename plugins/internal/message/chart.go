package message

import (
	"fmt"
	"strings"

	"github.com/dwmon/dwmon/pluginsdk"
)

// MaxWindows is how many windows a chart shows: as many as a phone is wide.
const MaxWindows = 24

func lastWindows(ws []pluginsdk.Window) []pluginsdk.Window {
	return ws[max(0, len(ws)-MaxWindows):]
}

// Highest is the highest count of the windows, at least 0.
func Highest(ws []pluginsdk.Window) (most int64) {
	for _, w := range ws {
		most = max(most, w.EventCount)
	}
	return most
}

var bars = []rune("▁▂▃▄▅▆▇█")

// Sparkline draws the windows as a line of bars, from 0 to the highest.
func Sparkline(ws []pluginsdk.Window) string {
	most := max(Highest(ws), 1)
	var line strings.Builder
	for _, w := range ws {
		share := float64(max(w.EventCount, 0)) / float64(most)
		line.WriteRune(bars[int(share*float64(len(bars)-1)+0.5)])
	}
	return line.String()
}

// Caption says in words what a chart of the windows shows.
func Caption(ws []pluginsdk.Window) string {
	if len(ws) == 0 {
		return ""
	}
	return fmt.Sprintf("last %d windows: newest %d, highest %d", len(ws), ws[len(ws)-1].EventCount, Highest(ws))
}

// Chart is the windows as one line of text; empty where there are none, or where
// the message has such a line already.
func (m *Message) Chart() string {
	if len(m.Windows) < 2 || m.drawn() {
		return ""
	}
	return Sparkline(m.Windows) + "  " + Caption(m.Windows)
}

func (m *Message) drawn() bool {
	texts := m.Body
	for _, f := range m.Facts {
		texts += f.Value
	}
	return strings.ContainsAny(texts, string(bars))
}
