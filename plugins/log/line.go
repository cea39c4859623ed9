package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/dwmon/dwmon/pluginsdk"
)

// line is a result for people. The status stands first and is padded, so that
// lines below one another read as a table:
//
//	GOOD    billing/new_invoices  2026-11-23 06:14 Europe/Berlin  7 in 3m, want 5 to 20
//	BAD     billing/new_invoices  2026-11-23 06:15 Europe/Berlin  3 in 3m, want 5 to 20: low, 2 in a row  owner payments
func line(r *pluginsdk.Result) string {
	parts := []string{
		fmt.Sprintf("%-7s %s", r.CheckStatus, r.CheckerName),
		strings.TrimSuffix(r.MinuteLocalTime, ":00") + zone(r.TimeZone),
		verdict(r),
	}
	if r.Owner != "" {
		parts = append(parts, "owner "+r.Owner)
	}
	if r.CatchUp {
		parts = append(parts, "catch-up")
	}
	return onOneLine(strings.Join(parts, "  "))
}

// zone is left out where it is the reader's own.
func zone(name string) string {
	if name == "" || name == "Local" {
		return ""
	}
	return " " + name
}

func verdict(r *pluginsdk.Result) string {
	lookback := pluginsdk.Duration(time.Duration(r.LookbackSeconds) * time.Second)
	text := fmt.Sprintf("%d in %s, want %s", r.EventCount, lookback, wanted(r))
	var notes []string
	if r.Reason != "" {
		notes = append(notes, r.Reason)
	}
	if r.Bad() && r.ConsecutiveBad > 1 {
		notes = append(notes, fmt.Sprintf("%d in a row", r.ConsecutiveBad))
	}
	if r.PreviousStatus != "" && r.PreviousStatus != r.CheckStatus {
		notes = append(notes, "was "+string(r.PreviousStatus))
	}
	if len(notes) > 0 {
		text += ": " + strings.Join(notes, ", ")
	}
	return text
}

func wanted(r *pluginsdk.Result) string {
	switch low, high := r.MinRequired, r.MaxAllowed; {
	case low == nil && high == nil:
		return "any number"
	case high == nil:
		return fmt.Sprintf("at least %d", *low)
	case low == nil:
		return fmt.Sprintf("at most %d", *high)
	case *low == *high:
		return fmt.Sprintf("exactly %d", *low)
	default:
		return fmt.Sprintf("%d to %d", *low, *high)
	}
}

// onOneLine keeps text that comes from a checker file from moving the cursor or
// starting a line of its own.
func onOneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
