//go:build race

package pluginhost

// raceDetector says that this binary, which acts as the plugins too, holds several
// times the memory that it would: tests of exact amounts make no sense then.
const raceDetector = true
