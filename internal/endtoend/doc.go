// Package endtoend holds the tests of what dwmon promises as a whole: real
// processes of the daemon and of its plugins, killed, starved and fed with bad
// input, and afterwards a look at what is recorded. It has no code of its own.
package endtoend
