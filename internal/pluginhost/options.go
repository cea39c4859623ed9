package pluginhost

import (
	"cmp"
	"log/slog"
	"time"
)

// Options are what a Host is made of. Only Dir is required.
type Options struct {
	// Dir is the plugins folder. One that does not exist holds no plugins.
	Dir string
	// Strict demands the lock file, refuses what others may write, and runs private
	// copies.
	Strict bool
	// CacheDir is the folder of the private copies, of this host alone. Empty: a
	// temporary folder.
	CacheDir string
	// Unlocked leaves the lock file out of account, for whoever writes it.
	Unlocked bool
	// Only are the plugins that are looked at, by name; none: all. Others are not
	// there.
	Only []string
	// RunDir is a folder for sockets and run files, used by this host alone; its
	// sub-folder "plugins" is wiped at start and stop. Empty: a temporary folder.
	RunDir string
	// StateDir holds a folder of its own for each instance. Empty: plugins are
	// given none.
	StateDir string
	// WorkDir is the plugins' working directory, from which relative paths in their
	// settings count. Empty: the daemon's.
	WorkDir string
	// Log takes the host's and the plugins' log lines. nil: nowhere.
	Log *slog.Logger
	// Cache keeps what plugins said of themselves, by digest. nil: every plugin is
	// asked at each start.
	Cache DescribeCache
	// GuardCommand starts GuardMain in a process of its own, for instance the
	// daemon's executable with "guard". Empty: no guard.
	GuardCommand []string
	// Redact takes secrets out of a text. It is applied to everything that a plugin
	// says before it is logged, shown or returned. nil: nothing is taken out.
	Redact func(string) string
	// Secret is told, before a plugin is given it, of each value that Redact must take
	// out though the configuration does not have it by reference: settings and variables
	// that the plugin calls secret, passwords in a SOURCE. It is called from several
	// goroutines, and again and again with the same values. nil: nobody is told.
	Secret func(value string)
	// HostVersion is told to plugins and compared with what they need. Empty: not
	// compared.
	HostVersion string
	// Installation is the database's random id. It keys the instances' ids, so that
	// an id tells nothing about the settings. Empty: ids last as long as the host.
	Installation string
	// LogLevel is the level that plugins are asked to log at: debug, info, warn or
	// error. Empty: info.
	LogLevel string
	// NoLaunch asks no plugin what it is: the catalogue knows what the cache does.
	NoLaunch bool
	// PlainText leaves out TLS between host and plugin. For debugging.
	PlainText bool
	// Attach names plugins that run already, under a debugger, by where they listen:
	// dwmon connects instead of starting them, and never ends them. Their files,
	// digests and the lock do not count. See ParseAttach.
	Attach map[string]Attachment
	// Timings of which any that is 0 has its default.
	Timings Timings
}

// DescribeCache keeps answers to Describe by a key: the SHA-256 (hexadecimal) of the
// executable that gave them, of bundle and bridge together, and such a digest with a
// prefix for what failed to answer. Its methods are called from several goroutines.
type DescribeCache interface {
	Described(key string) ([]byte, bool)
	SaveDescribed(key string, answer []byte)
}

// Timings are all the times of the host, so that tests can shorten them.
type Timings struct {
	// Start bounds the time from exec to the answer of Describe. 10 s.
	Start time.Duration
	// Configure bounds the plugin's set-up. 30 s.
	Configure time.Duration

	// BackoffMin doubles with each failed start up to BackoffMax; the wait is a
	// random part of it. 250 ms and 60 s.
	BackoffMin, BackoffMax time.Duration
	// Stable is how long a process must have been ready for its past to be
	// forgotten. 60 s.
	Stable time.Duration
	// CrashLimit crashes within CrashWindow quarantine the instance, which is then
	// started once each Probe. 5 in 10 min; 5 min.
	CrashLimit  int
	CrashWindow time.Duration
	Probe       time.Duration
	// ConfigRetry are the waits after settings were refused; the last one stays.
	// 1, 2, 4, 5 min.
	ConfigRetry []time.Duration
	// Recheck is how often the file of a plugin that cannot run is looked at. 15 s.
	Recheck time.Duration

	// HealthEvery, HealthTimeout: HealthFailures failed probes in a row end the
	// process. 30 s, 2 s, 3.
	HealthEvery, HealthTimeout time.Duration
	HealthFailures             int

	// MemoryEvery is how often the memory of plugins is looked at where a limit is
	// set; close to the limit eight times as often. 2 s.
	MemoryEvery time.Duration

	// CrashWait is how long a call that lost its connection waits to learn how the
	// process ended. 3 s.
	CrashWait time.Duration

	// GetRows, Handle and Purge are the time limits of a call unless the caller has
	// its own. 60 s, 10 s, 5 s.
	GetRows, Handle, Purge time.Duration

	// The stop of a process: its calls may end (DrainCalls, 10 s), it may finish
	// (Drain, 5 s), it may exit (Exit, 5 s), it is killed and given up (Leave, 2 s).
	DrainCalls, Drain, Exit, Leave time.Duration
}

func (t Timings) withDefaults() Timings {
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{
		{&t.Start, 10 * time.Second},
		{&t.Configure, 30 * time.Second},
		{&t.BackoffMin, 250 * time.Millisecond},
		{&t.BackoffMax, time.Minute},
		{&t.Stable, time.Minute},
		{&t.CrashWindow, 10 * time.Minute},
		{&t.Probe, 5 * time.Minute},
		{&t.Recheck, 15 * time.Second},
		{&t.HealthEvery, 30 * time.Second},
		{&t.HealthTimeout, 2 * time.Second},
		{&t.MemoryEvery, 2 * time.Second},
		{&t.CrashWait, 3 * time.Second},
		{&t.GetRows, time.Minute},
		{&t.Handle, 10 * time.Second},
		{&t.Purge, 5 * time.Second},
		{&t.DrainCalls, 10 * time.Second},
		{&t.Drain, 5 * time.Second},
		{&t.Exit, 5 * time.Second},
		{&t.Leave, 2 * time.Second},
	} {
		*d.at = cmp.Or(*d.at, d.def)
	}
	t.CrashLimit = cmp.Or(t.CrashLimit, 5)
	t.HealthFailures = cmp.Or(t.HealthFailures, 3)
	if len(t.ConfigRetry) == 0 {
		t.ConfigRetry = []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute}
	}
	return t
}
