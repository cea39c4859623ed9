package daemon

import (
	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/notice"
)

// checkerFiles reads checker files with all that can be found fault with. Texts
// that were good once are read without it: a template that a newer dwmon refuses
// must not stop its checker.
var checkerFiles = checkfile.Parser{Template: notice.Faults}
