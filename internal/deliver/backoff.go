package deliver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// backoff is the wait after so many failures, the last one included: doubled from
// first up to longest, then shortened by up to a half, so that what failed
// together does not come back together.
func backoff(first, longest time.Duration, failures int64) time.Duration {
	wait := longest
	if shift := max(failures-1, 0); shift < 40 && first<<shift>>shift == first {
		wait = min(first<<shift, longest)
	}
	return wait - rand.N(wait/2+1)
}

// failure is what an error of a handler means.
type failure struct {
	permanent bool
	down      bool
	wish      time.Duration // 0: none
	text      string
}

// readFailure reads the error of one call. Errors that are not a HandleError are
// tried again.
func readFailure(err error, timeout time.Duration) failure {
	f := failure{text: err.Error()}
	var he *dwmon.HandleError
	switch {
	case errors.As(err, &he):
		f.permanent = he.Fault == dwmon.HandleNever
		f.down = he.Down && !f.permanent
		f.wish = min(he.RetryAfter, dwmon.MaxRetryAfter)
	case errors.Is(err, context.DeadlineExceeded):
		f.text = fmt.Sprintf("no answer within %s: %v", timeout, err)
	}
	return f
}

// wait is how long to wait after the failure: as long as the receiver wished,
// else the back-off.
func (f failure) wait(o *Options, failures int64) time.Duration {
	if f.wish > 0 {
		return max(f.wish, o.FirstRetry)
	}
	return backoff(o.FirstRetry, o.LongestRetry, failures)
}
