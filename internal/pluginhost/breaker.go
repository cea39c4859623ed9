package pluginhost

import (
	"time"
)

// failure is how an attempt to have a process ready ended, or a ready one.
type failure int

const (
	// failedCrash: it exited, hung, or did not speak.
	failedCrash failure = iota
	// failedChanged: its file was replaced while it was being started, which says
	// nothing about the plugin: the new file is looked at.
	failedChanged
	// failedSetup: its set-up found the source down. No fault of the plugin.
	failedSetup
	// failedMachine: the machine or our own limits had no descriptor, process or memory
	// left for it. No fault of the plugin.
	failedMachine
	// failedConfig: it refused its settings.
	failedConfig
	// failedIncompatible, failedRejected: nothing will help but another file.
	failedIncompatible
	failedRejected
)

// breaker decides when a process is started again. It is pure but for rand, and
// belongs to one goroutine.
type breaker struct {
	t    Timings
	rand func() float64 // [0,1)

	crashes    []time.Time // within the window, oldest first
	failures   int         // in a row
	refusals   int         // of settings, in a row
	readySince time.Time   // zero: not ready
	probing    bool        // quarantined, or on trial after that
}

// ready notes that a process takes calls.
func (b *breaker) ready(now time.Time) {
	b.readySince = now
	b.refusals = 0
}

// failed notes a failure and says which state follows, for how long.
func (b *breaker) failed(now time.Time, f failure) (State, time.Duration) {
	if !b.readySince.IsZero() && now.Sub(b.readySince) >= b.t.Stable {
		b.failures, b.probing = 0, false
	}
	b.readySince = time.Time{}
	switch f {
	case failedIncompatible:
		return StateIncompatible, b.t.Recheck
	case failedRejected:
		return StateRejected, b.t.Recheck
	case failedConfig:
		wait := b.t.ConfigRetry[min(b.refusals, len(b.t.ConfigRetry)-1)]
		b.refusals++
		return StateConfigError, wait
	case failedChanged:
		return StateBackoff, time.Duration(b.rand() * float64(b.t.BackoffMin))
	case failedCrash:
		b.crash(now)
	}
	if b.probing {
		return StateQuarantined, b.t.Probe
	}
	wait := b.t.BackoffMax
	if b.failures < 30 {
		wait = min(wait, b.t.BackoffMin<<b.failures)
	}
	b.failures++
	return StateBackoff, time.Duration(b.rand() * float64(wait))
}

func (b *breaker) crash(now time.Time) {
	keep := 0
	for keep < len(b.crashes) && now.Sub(b.crashes[keep]) >= b.t.CrashWindow {
		keep++
	}
	b.crashes = append(b.crashes[:0], append(b.crashes[keep:], now)...)
	if len(b.crashes) >= b.t.CrashLimit {
		b.probing = true
	}
}

// forgive forgets everything: the file or the operator's mind has changed.
func (b *breaker) forgive() { *b = breaker{t: b.t, rand: b.rand} }
