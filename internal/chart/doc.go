// Package chart draws counts as text, for terminals and logs. Everything can be read
// without colour; what is drawn depends on what is given, and on nothing else.
package chart

import "github.com/dwmon/dwmon/internal/dwmon"

// Widths that charts keep to, in cells.
const (
	MinWidth = 20
	MaxWidth = 200
)

// Paint gives a text the colour of a status; it must not change what can be read.
type Paint func(status dwmon.Status, text string) string

func fit(width int) int { return min(max(width, MinWidth), MaxWidth) }
