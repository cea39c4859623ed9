package pluginhost

import "io/fs"

// Who may write what is a matter of access lists on Windows, which are not looked at.

func ownedByUs(fs.FileInfo) bool           { return true }
func killLeftover(int)                     {}
func worldWritable(fs.FileInfo) bool       { return false }
func executable(fs.FileInfo) bool          { return true }
func strangeOwner(fs.FileInfo) (int, bool) { return 0, false }
func writers(fs.FileInfo) string           { return "" }
func ownership(fs.FileInfo) string         { return "" }
func private(fs.FileInfo) bool             { return true }
