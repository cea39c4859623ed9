// Package draft writes new checker files: from what somebody answers, and from what
// a source says of its tables. It touches no source and no file.
package draft
