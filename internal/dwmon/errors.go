package dwmon

import "errors"

// ErrRecorded says that a (checker, line, minute) has its verdict already:
// somebody else has judged it.
var ErrRecorded = errors.New("the minute has a verdict already")

// ErrTold says that a handler was told of an incident by somebody else meanwhile.
var ErrTold = errors.New("the handler was told of the incident by somebody else meanwhile")

// ErrMoved says that a pass was overtaken: somebody else has moved the checker's walk, or
// has switched the checker off.
var ErrMoved = errors.New("somebody else has moved the walk or switched the checker off meanwhile")
