package words

import (
	"fmt"
	"strconv"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// AlertRule says what a rule of incidents does, a sentence for each part.
func AlertRule(r dwmon.AlertRule) []string {
	return []string{opens(r), closes(r), repeats(r), unknowns(r)}
}

func opens(r dwmon.AlertRule) string {
	switch {
	case r.Of == 1:
		return "an incident opens with the first BAD result of a line"
	case r.After == r.Of:
		return fmt.Sprintf("an incident opens when %d results of a line in a row are BAD", r.After)
	default:
		return fmt.Sprintf("an incident opens when %d of the last %d results of a line are BAD", r.After, r.Of)
	}
}

func closes(r dwmon.AlertRule) string {
	if r.Recover == 1 {
		return "it closes with the first GOOD result"
	}
	return fmt.Sprintf("it closes after %d GOOD results in a row", r.Recover)
}

func repeats(r dwmon.AlertRule) string {
	every := seconds(r.Repeat)
	switch {
	case r.Repeat == 0:
		return "it is told once, and not again while it lasts"
	case r.Growth <= 1:
		return "while it lasts it is told again every " + trimOne(every)
	default:
		grown := strconv.FormatFloat(r.Growth, 'g', -1, 64) + " times"
		if r.Growth == 2 {
			grown = "twice"
		}
		return fmt.Sprintf("while it lasts it is told again after %s, then each time after %s as long, at most %s", every, grown, seconds(dwmon.MaxRepeat))
	}
}

func unknowns(r dwmon.AlertRule) string {
	if r.UnknownAfter == 1 {
		return "a pass that fails, or an UNKNOWN result, is an incident of its own at once"
	}
	return fmt.Sprintf("%d failed passes, or %d UNKNOWN results, in a row are an incident of their own", r.UnknownAfter, r.UnknownAfter)
}

func seconds(d time.Duration) string { return Duration(int64(d / time.Second)) }
