package suggest

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/words"
)

// Text gives the lines as they stand in a file, each below comments that say what it
// rests on. What holds for several of them is said once.
func (p *Proposal) Text(zone *time.Location, falseAlarms float64) []string {
	text := []string{fmt.Sprintf("# Suggested by dwmon from %s of rows, %s to %s: about %s in ordinary weeks.",
		weeksText(p.Until-p.From), date(p.From, zone), date(p.Until-1, zone), falseAlarmsText(falseAlarms))}
	said := map[string]bool{}
	for i := range p.Lines {
		l := &p.Lines[i]
		for _, why := range l.why(said[l.Because]) {
			text = append(text, "# "+why)
		}
		said[l.Because] = true
		text = append(text, l.text())
	}
	return text
}

// text is the line as people write it: two hours as two hours, where the shortest form
// would be a step, */14.
func (l *Line) text() string {
	identity := l.Requirement.Identity()
	if bits.OnesCount32(uint32(l.Hours)) != 2 || l.Hours&1 == 0 {
		return identity
	}
	last := strconv.Itoa(bits.Len32(uint32(l.Hours)) - 1)
	return strings.Replace(identity, "CHECKHOURS*/"+last+" ", "CHECKHOURS0,"+last+" ", 1)
}

// Why says what a line rests on, in sentences.
func (l *Line) Why() []string { return l.why(false) }

// why is Why; said says that its reason for another look-back was given before.
func (l *Line) why(said bool) []string {
	why := []string{fmt.Sprintf("Usually %s in %s, in 98 %% of the windows %s to %s (%s windows on %d days).",
		words.Count(l.Median, "row", "rows"), length(l.Lookback), words.Number(l.P1), words.Number(l.P99), words.Number(int64(l.Windows)), l.Days)}
	switch {
	case l.Longer != "" && said:
		why = append(why, l.Longer+", for the same reason.")
	case l.Longer != "":
		why = append(why, l.Longer+": "+l.Because+".")
	}
	return append(why, l.Notes...)
}

func date(second int64, zone *time.Location) string {
	return time.Unix(second, 0).In(zone).Format(time.DateOnly)
}

// weeksText writes a length of time in weeks, with a digit behind the point where
// they are not whole.
func weeksText(seconds int64) string {
	w := math.Round(weeks(seconds)*10) / 10
	return strconv.FormatFloat(w, 'f', -1, 64) + " weeks"
}

func falseAlarmsText(n float64) string {
	text := strconv.FormatFloat(n, 'f', -1, 64)
	if n == 1 {
		return text + " false alarm a week"
	}
	return text + " false alarms a week"
}
