package pluginhost

// State is what has become of a plugin or of one of its instances.
type State string

// States of a file of the plugins folder.
const (
	// StateDiscovered: it has not said what it is yet.
	StateDiscovered State = "DISCOVERED"
	// StateVerified: it has said what it is, and nothing of it runs.
	StateVerified State = "VERIFIED"
	// StateBroken: it was started and did not say what it is.
	StateBroken State = "BROKEN"
	// StateConflict: several files claim the name.
	StateConflict State = "CONFLICT"
	// StateDisabled: its sidecar says so.
	StateDisabled State = "DISABLED"
	// StateIgnored: it lies in the folder and is no plugin.
	StateIgnored State = "IGNORED"
)

// States of an instance.
const (
	// StateIdle: nobody has called it yet.
	StateIdle State = "IDLE"
	// StateStarting: from exec to the end of the set-up.
	StateStarting State = "STARTING"
	// StateReady: it takes calls.
	StateReady State = "READY"
	// StateBackoff: it ended, and is started again soon.
	StateBackoff State = "BACKOFF"
	// StateConfigError: it refused its settings.
	StateConfigError State = "CONFIG_ERROR"
	// StateIncompatible: it speaks another protocol, or is not what it claims to be.
	// Until the file changes.
	StateIncompatible State = "INCOMPATIBLE"
	// StateRejected: the file is not there or cannot be executed. Until it changes.
	StateRejected State = "REJECTED"
	// StateQuarantined: it crashed too often, and is started now and then only.
	StateQuarantined State = "QUARANTINED"
	// StateDraining: it finishes its calls and takes no new ones.
	StateDraining State = "DRAINING"
	// StateStopped: it is gone for good.
	StateStopped State = "STOPPED"
)

// waits says that a caller may hope for READY soon.
func (s State) waits() bool {
	switch s {
	case StateIdle, StateStarting, StateReady, StateBackoff:
		return true
	}
	return false
}
