package torture

// Faults are all of them, worst first.
var Faults = []Fault{
	{
		Name: "kill-daemon", run: killDaemon, short: 5, long: 60,
		Done:     "SIGKILL of the daemon before or in the middle of a write, sync or truncation of its database, or at any moment, while it starts and works; its plugins end with it",
		Expected: "the next start goes on: nothing is lost, counted or told twice beyond what was under way",
	},
	{
		Name: "kill-plugins", run: killPlugins, short: 3, long: 40,
		Done:     "SIGKILL of plugins of all kinds while the daemon lives on",
		Expected: "they are started again; the fetch or delivery that was under way is made again",
	},
}
