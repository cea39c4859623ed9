package daemon

import (
	"time"

	"github.com/dwmon/dwmon/internal/checktest"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
)

// UnitTestFaults finds fault with the text of a file of unit tests, and with the
// checker that it tests, without running them: for editors. cfg is nil where there
// is no configuration.
func UnitTestFaults(cfg *config.Config, file, text string) []dwmon.FileFault {
	if cfg == nil {
		cfg = &config.Config{Checks: config.DefaultChecks, Timezone: time.Local, CatchUp: config.DefaultCatchUp, Alert: dwmon.DefaultAlertRule}
	}
	find := func(t checktest.Target) (*dwmon.Checker, []dwmon.FileFault) { return findTested(cfg, file, t) }
	_, faults := checktest.Read(file, []byte(text), find, checktest.Defaults{Zone: cfg.Timezone, CatchUp: cfg.CatchUp, Alert: cfg.Alert})
	return faults
}
