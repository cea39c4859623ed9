package dwmon

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Checker is one checker file, parsed.
type Checker struct {
	// Name is the path below the checks folder without the ending, with "/"
	// between folders.
	Name string
	// File is where the text was read, for people.
	File string
	// Text is the file as it was read.
	Text []byte
	// Revision is the SHA-256 of Text, hexadecimal.
	Revision string

	// Query and Source stand as in the file, trimmed.
	Query  string
	Source string
	// Extra is the EXTRA section byte for byte; "{}" where it is left out.
	Extra   []byte
	Options Options
	Lines   []Requirement
}

// QueryRevision is the SHA-256, hexadecimal, over QUERY and SOURCE: what decides
// which rows a fetch brings.
func (c *Checker) QueryRevision() string {
	h := sha256.New()
	h.Write([]byte(c.Query))
	h.Write([]byte{0})
	h.Write([]byte(c.Source))
	return hex.EncodeToString(h.Sum(nil))
}

// Subject is the checker as matchers look at it.
func (c *Checker) Subject() SilenceSubject {
	return SilenceSubject{Checker: c.Name, Owner: c.Options.Owner, Source: c.ShownSource(), Labels: c.Options.Labels}
}

// Zone is the time zone in which the checker's hours, minutes and days are
// meant: its own, else the daemon's.
func (c *Checker) Zone(daemon *time.Location) *time.Location {
	if c.Options.Timezone != nil {
		return c.Options.Timezone
	}
	return daemon
}

// LongestLookback is the longest look-back of the checker's lines, in seconds.
func (c *Checker) LongestLookback() int64 {
	var most int64
	for i := range c.Lines {
		most = max(most, c.Lines[i].Lookback)
	}
	return most
}

// Options are dwmon's own settings for one checker: the OPTIONS section.
type Options struct {
	// Timezone is nil where the daemon's is meant.
	Timezone *time.Location
	// Timeout of a fetch; 0: the source's, else 60 s.
	Timeout time.Duration
	// Grace is how long rows may be late: minute m is judged once m+Grace has passed.
	Grace time.Duration
	// Assumed (`timestamps: assumed`) says that the query gives the current time
	// as the timestamp of each row.
	Assumed bool
	// Disabled (`enabled: false`): no minute is owed.
	Disabled bool

	Owner       string
	Description string
	Runbook     string
	Labels      map[string]string

	// Handlers replaces the daemon's list of handlers by name; nil keeps the
	// list, empty means that nobody is told.
	Handlers []string

	// Alert says when incidents open and close; what is not set is the daemon's.
	Alert AlertSettings
	// Calendar names holiday calendars.
	Calendar []string

	// HideKeys (`keys: hidden`) says that no notice holds a key of a row.
	HideKeys bool
	// Template words the body of the checker's notices; empty: the handler's, else
	// the built-in text.
	Template string
}
