// Package dwmon holds the nouns and the pure rules of dwmon: what a checker is,
// which minutes are due, how a count becomes a verdict. It imports the standard
// library only, does no input or output and never reads the clock: every rule
// takes the time as an argument, so that a rule can be tried on any minute.
//
// Glossary.
//
//   - A checker is one text file: a query, the source that answers it, and
//     requirement lines.
//   - A requirement line names minutes (hours, minutes, days), a look-back and a
//     range; it is judged at each of its minutes.
//   - A row is (key, timestamp). A key counts once per checker, with the
//     timestamp that its row carried when the key was first seen.
//   - A minute is a whole epoch minute, named by its first second.
//   - A pass is what is done for one checker in one slot of the minute grid.
//   - The walk is settled through a minute when every line's eligible minute up
//     to it was checked, or recorded as part of a gap.
//
// Units: minutes, origins and bounds of windows are seconds since the epoch;
// timestamps of rows and starts of fetches are microseconds since the epoch.
package dwmon
