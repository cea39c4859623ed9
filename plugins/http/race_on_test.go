//go:build race

package main

// raceDetector says that the process maps terabytes for the detector, and cannot be
// given a limit of address space.
const raceDetector = true
