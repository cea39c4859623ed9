package pluginsdk

// What host and plugin must agree on before they talk. Authors need none of it.
const (
	// CookieKey and CookieValue are the environment variable by which a plugin
	// knows that a host has started it. They never change.
	CookieKey   = "DWMON_PLUGIN_MAGIC"
	CookieValue = "4f8c61c2a5d94e0b9d3b7a0e6c1f52d8"
	// ProtocolVersion is the major version of the protocol: the suffix of the
	// proto package.
	ProtocolVersion = 1
	// DispenseName is the one name under which a plugin is dispensed.
	DispenseName = "dwmon"
	// LifelineEnv set to "1" says that the host holds the plugin's standard input
	// open, so that its end means that the host is gone.
	LifelineEnv = "DWMON_PLUGIN_LIFELINE"
	// FilePrefix is how the file name of a plugin begins.
	FilePrefix = "dwmon-plugin-"
)

// Bounds of the protocol, the same on both sides.
const (
	// MaxMessageBytes is the largest message in either direction.
	MaxMessageBytes = 16 << 20
	// MaxBatchRows and MaxBatchKeyBytes are the most that a batch of rows holds; a
	// single key longer than MaxBatchKeyBytes travels alone.
	MaxBatchRows     = 1024
	MaxBatchKeyBytes = 32 << 10
	// MaxKeyBytes is the longest key.
	MaxKeyBytes = 1 << 20
)

// ErrorDomain is the domain of the google.rpc.ErrorInfo that every failed call
// carries. Its metadata has "origin": OriginPlugin or OriginDownstream.
const ErrorDomain = "dwmon.plugin"

// Where an error comes from.
const (
	OriginPlugin     = "plugin"
	OriginDownstream = "downstream"
)

// Reasons in the google.rpc.ErrorInfo of a failed call.
const (
	ReasonConfig      = "CONFIG"      // settings or environment are wrong
	ReasonChecker     = "CHECKER"     // the checker's query, source or extra is wrong
	ReasonCredentials = "CREDENTIALS" // refused by the source or the receiver
	ReasonRetryable   = "RETRYABLE"   // may work later
	ReasonPermanent   = "PERMANENT"   // the same call will never work
	ReasonNetwork     = "NETWORK"     // the source or the receiver cannot be reached
	ReasonTime        = "TIME"        // cancelled, or out of time
	ReasonDraining    = "DRAINING"    // the plugin is about to end
	ReasonNotReady    = "NOT_READY"   // called before it was configured
	ReasonPanic       = "PANIC"       // a bug; the stack is in the log
	ReasonOther       = "OTHER"       // an error of no known class
)
