//go:build !unix

package daemon

import "io/fs"

// ownedByUs is left to the file system's access lists.
func ownedByUs(fs.FileInfo) bool { return true }
