// Package suggest proposes requirement lines from history: counts in, lines out.
// It reads no clock and draws no numbers, so that the same history always gives the
// same lines. docs/suggest.md explains the method and names its sources.
//
// The way of a proposal, top to bottom, is Propose in propose.go: what is left out,
// which part of the history is of one kind (level.go), what is unusual in it
// (past.go), what is usual at each quarter of an hour of the week and how far it
// scatters (profile.go), which bounds hold for a number of false alarms a week
// (tails.go), which cells of the week share a line (lines.go), what the lines would have
// done on that very history (replay.go), and where they must be wider for it (widen.go).
package suggest
