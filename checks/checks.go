// Package checks holds the example checkers: one for each question that people
// ask first. They are files to be copied, they run in the demo, and a test
// parses every one.
package checks

import "embed"

// Files are the checker files of this folder.
//
//go:embed *.dwmon
var Files embed.FS
