//go:build linux

package torture

// Faults are all of them, worst first.
var Faults = []Fault{
	{
		Name: "kill-daemon", run: killDaemon, short: 5, long: 60,
		Done:     "SIGKILL of the daemon before or in the middle of a write, sync or truncation of its database, or at any moment, while it starts and works; its plugins end with it",
		Expected: "the next start goes on: nothing is lost, counted or told twice beyond what was under way",
	},
	{
		Name: "kill-migration", run: killMigration, short: 4, long: 40,
		Done:     "SIGKILL at a write while a database of an older version is brought up to date, again and again until it is through",
		Expected: "the next start goes on; every row, verdict and gap is as it was",
	},
	{
		Name: "kill-plugins", run: killPlugins, short: 3, long: 40,
		Done:     "SIGKILL of plugins of all kinds while the daemon lives on",
		Expected: "they are started again; the fetch or delivery that was under way is made again",
	},
	{
		Name: "power-cut", run: cutPower, short: 5, long: 60,
		Done:     "the end of the daemon at a write, with the loss of all or some of what was written and not synced",
		Expected: "as after a kill: what was committed is there, and nothing was told that is not recorded",
	},
	{
		Name: "corrupt-pages", run: corrupt, short: 2, long: 10,
		Done:     "noise over pages of the database, while the daemon runs and before it starts",
		Expected: "the daemon says that the database is damaged, and to put back a copy; so does doctor; the copy goes on",
	},
	{
		Name: "lost-database", run: loseDatabase, short: 1, long: 4,
		Done:     "the database deleted, or replaced by another, while the daemon runs",
		Expected: "the daemon ends with exit code 3 within half a minute; a back-up that is put back goes on",
	},
	{
		Name: "full-disk", run: fillDisk, short: 2, long: 10,
		Done:     "a disk without room for the database, for minutes",
		Expected: "the daemon lives on, says that the disk is full, and makes up for everything once there is room",
	},
	{
		Name: "io-errors", run: failDisk, short: 3, long: 15,
		Done:     "reads, writes, syncs and truncations of the database that fail with EIO: some of them, then all writes",
		Expected: "the daemon lives on and makes up for everything",
	},
	{
		Name: "read-only", run: makeReadOnly, short: 1, long: 5,
		Done:     "a file system that turns read-only under the daemon, and is so when the next one starts",
		Expected: "the daemon lives on and makes up for everything; none starts on it: exit code 3, and what to mend",
	},
	{
		Name: "kill-backup", run: killBackup, short: 2, long: 20,
		Done:     "SIGKILL of dwmon backup in the middle, beside a daemon that works",
		Expected: "the daemon does not notice; the next back-up is whole",
	},
	{
		Name: "clock-jumps", run: setClock, short: 5, long: 40,
		Done:     "the clock set forward by up to four hours and back by up to two under the daemon",
		Expected: "no minute is checked twice or lost; outages longer than catch_up are gaps",
	},
	{
		Name: "clocks-back", run: changeClocks(autumn), short: 4, long: 30,
		Done:     "the night in which local clocks are set back, lived through",
		Expected: "the local hour that comes twice is checked twice",
	},
	{
		Name: "clocks-forward", run: changeClocks(spring), short: 4, long: 30,
		Done:     "the night in which local clocks are set forward, lived through",
		Expected: "the local hour that is left out is not checked, nor anything lost around it",
	},
	{
		Name: "suspend", run: suspend, short: 3, long: 20,
		Done:     "SIGSTOP of the daemon, its plugins or all of them, for up to 100 minutes, as a machine sleeps",
		Expected: "the walk makes up for it",
	},
	{
		Name: "source-resets", run: upsetSource, short: 3, long: 12,
		Done:     "a source that resets connections in the middle of results, never answers, or hangs up",
		Expected: "failed fetches, never a count; everything is made up for",
	},
	{
		Name: "dns-hangs", run: hangDNS, short: 2, long: 5,
		Done:     "a name server that takes questions and never answers, for one of two sources",
		Expected: "its checkers are UNKNOWN after the source's timeout; the others keep their minutes",
	},
	{
		Name: "no-descriptors", run: exhaust, short: 2, long: 10,
		Done:     "a daemon without a file descriptor left, and a plugin that must be started again",
		Expected: "the daemon lives on, says so, and makes up for everything",
	},
}
