package plugintest

import (
	"slices"
	"sync"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Row is a row as the host would get it.
type Row struct {
	Key string
	At  time.Time // to the microsecond, UTC
}

// Sink is a RowSink that keeps what it is given: for tests that call a row getter
// directly. The zero value is ready. Its fields are to be read when GetRows has
// returned.
type Sink struct {
	Rows      []Row
	Skipped   int
	Truncated bool
	Warnings  []string
	// Now and AsOf are what SourceNow and DataAsOf were given last.
	Now, AsOf time.Time
	// Refuse, where set, is called with the number of each row, from 1, before it is
	// kept. Its error is what Append returns: a host that has gone.
	Refuse func(n int) error

	mu sync.Mutex
}

var _ pluginsdk.RowSink = (*Sink)(nil)

// Append keeps a row.
func (s *Sink) Append(key string, at time.Time) error { return s.AppendMicros(key, at.UnixMicro()) }

// AppendBytes keeps a row.
func (s *Sink) AppendBytes(key []byte, us int64) error { return s.AppendMicros(string(key), us) }

// AppendMicros keeps a row.
func (s *Sink) AppendMicros(key string, us int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Refuse != nil {
		if err := s.Refuse(len(s.Rows) + 1); err != nil {
			return err
		}
	}
	s.Rows = append(s.Rows, Row{key, time.UnixMicro(us).UTC()})
	return nil
}

// SkipNull counts.
func (s *Sink) SkipNull() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Skipped++
}

// MarkTruncated sets Truncated.
func (s *Sink) MarkTruncated() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Truncated = true
}

// Warn keeps a warning.
func (s *Sink) Warn(msg string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Warnings = append(s.Warnings, msg)
}

// SourceNow sets Now.
func (s *Sink) SourceNow(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Now = t
}

// DataAsOf sets AsOf.
func (s *Sink) DataAsOf(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.AsOf = t
}

// Keys are the keys of the rows, sorted.
func (s *Sink) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, r := range s.Rows {
		keys = append(keys, r.Key)
	}
	slices.Sort(keys)
	return keys
}
