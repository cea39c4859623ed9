package dwmon

import "errors"

// ErrRecorded says that a (checker, line, minute) has its verdict already:
// somebody else has judged it.
var ErrRecorded = errors.New("the minute has a verdict already")
