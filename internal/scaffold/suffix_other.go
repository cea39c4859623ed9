//go:build !windows

package scaffold

const exeSuffix = ""
