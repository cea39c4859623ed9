package dwmon

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter bounds the wait between two tries of a delivery.
const MaxRetryAfter = 24 * time.Hour

// DeliveryState is what has become of a delivery. The numbers are stored.
type DeliveryState uint8

const (
	// DeliveryWaiting: to be told, at once or after a back-off.
	DeliveryWaiting DeliveryState = iota
	// DeliverySent: the handler took it.
	DeliverySent
	// DeliveryDead: given up.
	DeliveryDead
	// DeliveryCollapsed: too many were waiting; a digest tells of it.
	DeliveryCollapsed
)

var deliveryStates = [...]string{"waiting", "sent", "dead", "collapsed"}

func (s DeliveryState) String() string {
	if int(s) >= len(deliveryStates) {
		return ""
	}
	return deliveryStates[s]
}

// ParseDeliveryState reads what String writes.
func ParseDeliveryState(text string) (DeliveryState, error) {
	if i := slices.Index(deliveryStates[:], text); i >= 0 {
		return DeliveryState(i), nil
	}
	return 0, fmt.Errorf("%q is no state of a delivery: %s", text, strings.Join(deliveryStates[:], ", "))
}

// Delivery is something that a handler is to be told: a result, or a notice.
type Delivery struct {
	ID      int64
	Handler string
	// CheckerID names the lane: deliveries of one handler and one checker are told
	// one after the other, by ID. 0 for a notice about no single checker, which is
	// a lane of its own.
	CheckerID   int64
	CheckerName string
	// File, Revision and Extra are those of the text that made the result.
	File     string
	Revision string
	Extra    []byte
	Result   Result
	// Notice is set, and Result is not, where the handler is told a notice.
	Notice *Notice
	// Key is the idempotency key: the same however often the delivery is tried.
	Key string
	// Attempts is how often it was tried before.
	Attempts int64
	// Created is when it was queued, Revived when it was last made to wait again
	// after it was dead (0: never), microseconds since the epoch.
	Created, Revived int64
}

// IdempotencyKey is installation/checker/minute_epoch/line_id. The line's place in
// the file would not do: another line can come to stand there, and a walk that is
// moved back by hand then comes by the same minute again.
func IdempotencyKey(installation, checker string, minute, lineID int64) string {
	return installation + "/" + checker + "/" + strconv.FormatInt(minute, 10) + "/" + strconv.FormatInt(lineID, 10)
}

// NoticeKey is the idempotency key of a notice. The second part cannot be the
// name of a checker.
func NoticeKey(installation, kind string, id int64) string {
	return installation + "/." + kind + "/" + strconv.FormatInt(id, 10)
}

// DeliveryQuery asks for deliveries to be made now.
type DeliveryQuery struct {
	Handler string
	// Now is the time, microseconds since the epoch: a lane whose first delivery
	// waits longer than that is left out. math.MaxInt64 leaves out none.
	Now int64
	// Limit is the most deliveries given.
	Limit int
	// Skip holds lanes (checker ids) that are not wanted.
	Skip map[int64]bool
}

// DeliveryBatch answers a DeliveryQuery.
type DeliveryBatch struct {
	// Deliveries are in order within each lane; lanes follow one another, the one
	// that has waited longest first, and share the limit evenly.
	Deliveries []Delivery
	// Next is when the first of the lanes left out becomes due, microseconds since
	// the epoch; 0 where there is none. Skipped lanes do not count.
	Next int64
}

// DeliveryOutcome is what came of trying a delivery.
type DeliveryOutcome struct {
	ID int64
	// State is DeliverySent, DeliveryDead, or DeliveryWaiting: to be tried again at Next.
	State DeliveryState
	// At is when the answer came, Next when to try again; microseconds since the
	// epoch.
	At, Next int64
	// Error is the text of the error; empty when sent.
	Error string
}

// DeliveryChoice says which deliveries somebody wants changed; empty fields choose
// all.
type DeliveryChoice struct {
	// Keys are idempotency keys; the installation in front may be left out.
	Keys    []string
	Handler string
	States  []DeliveryState
}

// Retried counts deliveries that are tried again.
type Retried struct {
	// Dead ones wait again, Waiting ones became due at once.
	Dead, Waiting int64
}

// OrphanedFor is how long deliveries wait for a handler that is not configured any
// more, before they are given up.
const OrphanedFor = 7 * 24 * time.Hour

// Digest tells of results and notices that were not sent one by one, because too
// many were waiting for the handler.
type Digest struct {
	// From and To are the first and the last of their minutes.
	From     int64                   `json:"from"`
	To       int64                   `json:"to"`
	Checkers map[string]StatusCounts `json:"checkers"`
}

// StatusCounts counts results by status, and notices apart from them.
type StatusCounts struct {
	Good    int64 `json:"good"`
	Bad     int64 `json:"bad"`
	Unknown int64 `json:"unknown"`
	Notices int64 `json:"notices,omitempty"`
}

// Total is the number of results counted.
func (c StatusCounts) Total() int64 { return c.Good + c.Bad + c.Unknown }

// Plus adds the counts of another.
func (c StatusCounts) Plus(o StatusCounts) StatusCounts {
	return StatusCounts{c.Good + o.Good, c.Bad + o.Bad, c.Unknown + o.Unknown, c.Notices + o.Notices}
}

func (c StatusCounts) String() string {
	results := fmt.Sprintf("%d BAD, %d UNKNOWN, %d GOOD", c.Bad, c.Unknown, c.Good)
	switch {
	case c.Notices == 0:
		return results
	case c.Total() == 0:
		return counted(c.Notices, "notice")
	default:
		return results + " and " + counted(c.Notices, "notice")
	}
}

// counted is a number with its noun: 1 notice, 2 notices.
func counted(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.FormatInt(n, 10) + " " + noun
}

// AddNotices counts notices about a checker, which are no results.
func (d *Digest) AddNotices(checker string, minute, n int64) {
	d.reach(minute)
	c := d.Checkers[checker]
	c.Notices += n
	d.Checkers[checker] = c
}

// reach extends the digest to a minute.
func (d *Digest) reach(minute int64) {
	if len(d.Checkers) == 0 {
		d.Checkers = map[string]StatusCounts{}
		d.From, d.To = minute, minute
	}
	d.From, d.To = min(d.From, minute), max(d.To, minute)
}

// Add counts results of a checker.
func (d *Digest) Add(checker string, minute int64, status Status, n int64) {
	d.reach(minute)
	c := d.Checkers[checker]
	switch status {
	case Good:
		c.Good += n
	case Bad:
		c.Bad += n
	default:
		c.Unknown += n
	}
	d.Checkers[checker] = c
}

// digestCheckers is how many checkers a digest names.
const digestCheckers = 50

// Notice words the digest.
func (d *Digest) Notice() Notice {
	var all StatusCounts
	names := make([]string, 0, len(d.Checkers))
	for name, c := range d.Checkers {
		all = all.Plus(c)
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		x, y := d.Checkers[a], d.Checkers[b]
		switch {
		case x.Bad != y.Bad:
			return int(min(max(y.Bad-x.Bad, -1), 1))
		case x.Unknown != y.Unknown:
			return int(min(max(y.Unknown-x.Unknown, -1), 1))
		case x.Notices != y.Notices:
			return int(min(max(y.Notices-x.Notices, -1), 1))
		}
		return strings.Compare(a, b)
	})
	var detail strings.Builder
	for i, name := range names {
		if i == digestCheckers {
			fmt.Fprintf(&detail, "and %d more\n", len(names)-i)
			break
		}
		fmt.Fprintf(&detail, "%s: %s\n", name, d.Checkers[name])
	}
	n := Notice{Kind: NoticeDigest, Detail: detail.String()}
	if len(names) == 1 {
		n.Checker = names[0]
	}
	were := "were"
	if all.Total()+all.Notices == 1 {
		were = "was"
	}
	n.Summary = fmt.Sprintf("%s of %s %s not sent one by one, from %s to %s",
		all.what(), counted(int64(len(names)), "checker"), were, utcMinute(d.From), utcMinute(d.To))
	if results := (StatusCounts{all.Good, all.Bad, all.Unknown, 0}); results.Total() > 0 {
		n.Summary += ": " + results.String()
	}
	return n
}

// what names what was counted.
func (c StatusCounts) what() string {
	results, notices := counted(c.Total(), "result"), counted(c.Notices, "notice")
	switch {
	case c.Notices == 0:
		return results
	case c.Total() == 0:
		return notices
	default:
		return results + " and " + notices
	}
}

func utcMinute(minute int64) string {
	return time.Unix(minute, 0).UTC().Format("2006-01-02T15:04Z")
}

// DeliveryRecord is a delivery as it is shown.
type DeliveryRecord struct {
	ID      int64
	Key     string
	Handler string
	State   DeliveryState
	// Checker and Minute are empty and 0 for a notice.
	Checker  string
	Minute   int64
	Attempts int64
	// Orphaned: it waits for a handler that is not configured any more.
	Orphaned bool
	// Created, Next and Finished are microseconds since the epoch; Next is 0 for
	// at once or never, Finished is 0 while it waits.
	Created, Next, Finished int64
	LastError               string
	// Summary is that of a notice.
	Summary string
}

// MarshalJSON writes the names of `deliveries --json`. next_attempt_epoch is
// null unless the delivery waits.
func (r DeliveryRecord) MarshalJSON() ([]byte, error) {
	out := struct {
		Key         string       `json:"key"`
		Handler     string       `json:"handler"`
		State       string       `json:"state"`
		Orphaned    bool         `json:"orphaned"`
		Attempts    int64        `json:"attempts"`
		NextAttempt *json.Number `json:"next_attempt_epoch"`
		LastError   *string      `json:"last_error"`
	}{r.Key, r.Handler, r.State.String(), r.Orphaned, r.Attempts, nil, textOrNull(r.LastError)}
	if r.State == DeliveryWaiting {
		next := Seconds(max(r.Next, r.Created))
		out.NextAttempt = &next
	}
	return json.Marshal(out)
}

// DeliveryFilter chooses deliveries to be shown; zero fields choose all.
type DeliveryFilter struct {
	Handler string
	Checker string
	// States are those wanted; none: all.
	States []DeliveryState
	// Limit is how many of the newest are given; 0: all.
	Limit int
}

// DeliveryCount is how many deliveries of a handler are in a state.
type DeliveryCount struct {
	Handler string
	State   DeliveryState
	Count   int64
	// Oldest is when the oldest of them was queued, microseconds since the epoch.
	Oldest int64
}
