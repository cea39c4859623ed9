// Package words says in words what requirement lines, bounds, durations and times
// mean. It is pure: what it needs to know, it is given.
package words
