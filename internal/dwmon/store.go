package dwmon

import "context"

// The seams below are stated here, in the leaf, because both sides of each name
// the other in their signatures: the engine calls them, a store implements them,
// and neither imports the other.

// Store keeps what dwmon knows. A store may have more than one writer: nothing
// outside it may assume that this process is the only one.
type Store interface {
	// Progress gives what is known of a checker; its ID is 0 where it was never
	// seen. The caller does not change it.
	Progress(ctx context.Context, name string) (*Progress, error)
	// InTx runs fn in a transaction: all of its writes are kept, durably, or none.
	// It is the only way to write a pass. fn may run together with others' in one
	// commit, must not block on anything but its Tx, and is not run twice.
	InTx(ctx context.Context, fn func(Tx) error) error
	// NewIntake collects the rows of one fetch, outside any transaction. started
	// is the start of the fetch, microseconds since the epoch.
	NewIntake(p *Progress, started int64) Intake
	// Purge forgets the rows of a checker that are older than a cut-off (seconds
	// since the epoch) and remembers their keys. It works in small steps, each its
	// own commit, and raises the purge mark in the first.
	Purge(ctx context.Context, checkerID, cutoff int64) (purged int64, err error)
	// Extent gives the timestamps of the oldest and newest row of a checker,
	// microseconds since the epoch; ok is false where there are none.
	Extent(ctx context.Context, checkerID int64) (oldest, newest int64, ok bool, err error)
	// Corrections gives the corrections of all checkers whose ID is greater than
	// after, in the order of their IDs; at most limit, 0: all.
	Corrections(ctx context.Context, after int64, limit int) ([]Correction, error)
}

// Intake holds the rows of one fetch until they are committed or dropped. It is
// used by one goroutine at a time. Its memory is bounded: what the checker's last
// batch does not know already goes to a file beyond 4 MiB.
type Intake interface {
	// Add takes a batch; the batch may be reused afterwards. Rows more than
	// FarFuture after the start of the fetch are skipped and counted.
	Add(b *Batch) error
	// Tally is what was taken so far.
	Tally() Tally
	// Close drops what was not committed. It may be called more than once.
	Close() error
}

// Tally counts the rows of an intake.
type Tally struct {
	// Rows is all rows given, Skipped those of them that are not events yet.
	Rows    int64
	Skipped int64
	// Bytes is the length of all keys and timestamps given.
	Bytes int64
	// Oldest and Newest are timestamps, microseconds since the epoch, of the rows
	// that were not skipped; meaningless where Rows equals Skipped.
	Oldest, Newest int64
	// Unordered says that one of these rows was newer than the one before it: the
	// result is not in descending order of time.
	Unordered bool
}

// Ingested is what a commit made of an intake.
type Ingested struct {
	// Fresh is how many keys were new.
	Fresh int64
	// Ignored is how many unknown keys were older than the purge mark.
	Ignored int64
	// OldestFresh is the oldest timestamp, microseconds since the epoch, of the new
	// keys; 0 where there are none, and for a baseline.
	OldestFresh int64
}

// Tx is a transaction of a Store.
type Tx interface {
	// Sight writes a Sighting and gives the progress after it.
	Sight(s Sighting) (*Progress, error)
	// StillAt fails with ErrMoved, and nothing of the transaction is kept, unless the
	// checker's walk is settled through a minute (seconds since the epoch; nil: nowhere
	// yet) and the checker is not off: what a pass has read of it still holds.
	StillAt(checkerID int64, settled *int64) error
	// SaveFetch records a fetch and gives its id. A successful fetch ends the
	// checker's Failing, a failed one sets it to f.Failing.
	SaveFetch(f Fetch) (id int64, err error)
	// Ingest stores the rows of an intake: a key that the checker has not seen
	// before with the timestamp of its first row. baseline stores the keys
	// without a timestamp: they count in no window.
	Ingest(p *Progress, in Intake, baseline bool) (Ingested, error)
	// Counts counts the checker's rows in each window, rows ingested in this
	// transaction included. The result is in the order of the windows.
	Counts(checkerID int64, windows []Window) ([]int64, error)
	// Missed gives the missed spans that end at or after a time, microseconds
	// since the epoch, oldest first.
	Missed(checkerID, after int64) ([]Span, error)
	// AddMissed stores a missed span.
	AddMissed(checkerID int64, s Span) error
	// CountsOf is Counts of the rows that fetches of one QUERY and SOURCE have
	// brought first: Progress.QueryID.
	CountsOf(checkerID, queryID int64, windows []Window) ([]int64, error)
	// Holes gives the holes that end at or after a time, microseconds since the
	// epoch, in order. They do not overlap.
	Holes(checkerID, after int64) ([]Span, error)
	// AddHole stores a hole, merged with those that it overlaps or touches.
	AddHole(checkerID int64, s Span) error
	// FillHoles takes everything from a time on, microseconds since the epoch, out
	// of the holes.
	FillHoles(checkerID, from int64) error
	// Lows gives the BAD low verdicts of minutes after one (seconds since the epoch)
	// that were not corrected, of fetches that began at evaluated or later
	// (microseconds since the epoch), by minute and line.
	Lows(checkerID, after, evaluated int64) ([]LowVerdict, error)
	// Correct records what late rows have made of Lows. ID and the names in a
	// Correction are the store's to give.
	Correct(checkerID int64, corrections []Correction) error
	// Recorded gives the (minute, line id) pairs from a minute on that have a
	// verdict already.
	Recorded(checkerID, from int64) (map[RecordedKey]bool, error)
	// Record stores verdicts of one fetch, in order, and the lines' streaks after
	// them. It is the fence: ErrRecorded when any (checker, line, minute) has a
	// verdict already, and then nothing of the transaction is kept.
	Record(r Record) error
	// Enqueue stores what handlers are to be told, in the order in which each is
	// to be told.
	Enqueue(checkerID int64, tellings []Telling) error
	// OpenIncident stores an incident that begins, and gives its id.
	OpenIncident(i Incident) (id int64, err error)
	// CloseIncident ends one: closed is a minute, closedAt microseconds since the
	// epoch.
	CloseIncident(id, closed, closedAt int64, end IncidentEnd) error
	// Silences gives those that are not over, or may cover a minute that is judged only
	// now.
	Silences() ([]Silence, error)
	// AddCatchUp stores what was made up for, to be told as a digest.
	AddCatchUp(c CatchUp) error
	// Settle moves the walk to a minute and records the gaps it leaves. Gap.Line
	// is an index into the Progress's lines.
	Settle(p *Progress, settled int64, gaps []Gap) error
}

// RecordedKey names a verdict of a checker.
type RecordedKey struct {
	Minute int64
	LineID int64
}

// Record is the verdicts of one piece of a pass.
type Record struct {
	Progress *Progress
	FetchID  int64
	// EvaluatedAt is the start of the fetch, microseconds since the epoch.
	EvaluatedAt int64
	Verdicts    []Verdict
	// Streaks are the lines' streaks after the verdicts, one for each line of the
	// Progress, in its order.
	Streaks []Streak
}

// Telling is a verdict that a handler is to be told.
type Telling struct {
	Handler   string
	Minute    int64
	LineID    int64
	LineIndex int
}

// Fetch is the record of one fetch. Times are microseconds since the epoch.
type Fetch struct {
	Progress *Progress
	// Slot is the M of the pass.
	Slot int64
	// Pass is the time of the pass, which decides M; Started may be later, for a place
	// at the source is waited for.
	Pass    int64
	Started int64
	Ended   int64
	// Plugin names the row getter's instance.
	Plugin string
	// SourceTime is what the source itself took, microseconds; 0 when not known.
	SourceTime int64
	Tally      Tally
	Ingested   Ingested
	// SkippedNull is how many rows the row getter left out for want of a timestamp.
	SkippedNull int64
	Cut         bool
	Baseline    bool
	// Skew is how far the source's clock is ahead of ours, microseconds: see Skew.
	Skew int64
	// DataAsOf is what the source's data reach to, microseconds since the epoch; nil:
	// to the present. Reach is how far the fetch could see: see Reach.
	DataAsOf *int64
	Reach    int64
	// Err is nil for a successful fetch; Failing goes with it.
	Err     error
	Failing *Failing
}
