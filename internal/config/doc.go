// Package config gathers what dwmon is told by dwmon.yaml, flags and the
// environment into one plain struct, with secrets put in and every fault
// reported at once, each with its line.
//
// The file is read by a strict walk over its YAML nodes rather than through a
// configuration library or a decoder: those lose the line of a key and stop at
// the first fault, let unknown keys pass or name them without a place, and round
// numbers in settings, which are part of a plugin instance's identity.
//
// Flags beat the environment, which beats the file, which beats the defaults.
// Paths in the file are relative to the file, all others to the working
// directory.
package config
