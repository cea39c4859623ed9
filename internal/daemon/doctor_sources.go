package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// probeTime bounds what is asked of one source.
const probeTime = 30 * time.Second

// mostWritable is how many of what an account may write are named.
const mostWritable = 3

const readOnlyAccount = "give dwmon an account that may only read (docs/sql-getters.md, Reading only)"

// sources tries to write to each configured source, the way that a checker's query would:
// that must be refused. It asks what the account may write as well, for the plugin's own
// guard is no wall.
func (x *examination) sources(ctx context.Context) {
	if !x.opts.Sources {
		if len(x.cfg.Sources) > 0 {
			x.ok("sources", "dwmon.yaml", "%d sources were not asked; --sources tries to write to each, which must be refused", len(x.cfg.Sources))
		}
		return
	}
	for _, name := range slices.Sorted(maps.Keys(x.cfg.Sources)) {
		x.opts.Step("source " + name)
		x.source(ctx, name)
		if ctx.Err() != nil {
			return
		}
	}
}

func (x *examination) source(ctx context.Context, name string) {
	c := &dwmon.Checker{Name: "dwmon_doctor", Source: name, Extra: []byte("{}")}
	t := &try{o: x.o, checker: c, out: &Tried{}}
	settings, err := t.whoServes(ctx)
	var given givenSecrets
	if err == nil {
		var seen *pluginhost.Inspection
		var closePlugin func()
		if seen, closePlugin, err = t.start(ctx, settings, &given); err == nil {
			defer closePlugin()
			x.probe(ctx, name, seen, settings)
			return
		}
	}
	if ctx.Err() == nil {
		x.fault("sources", name, "see `dwmon plugin verify`", "its row getter cannot be asked: %v", err)
	}
}

func (x *examination) probe(ctx context.Context, name string, seen *pluginhost.Inspection, settings []byte) {
	about := seen.Description()
	if about.RowGetter == nil || about.RowGetter.WriteProbe == "" {
		x.ok("sources", name, "plugin %s has no write to try", about.Name)
	} else {
		rows, err := keysOf(ctx, seen, settings, name, about.RowGetter.WriteProbe)
		switch {
		case err == nil && len(rows) > 0:
			x.warn("sources", name, readOnlyAccount, "a write was not refused: this account may write, and plugin %s lets it", about.Name)
		case err == nil:
			x.warn("sources", name, "", "plugin %s says neither that a write was refused nor that it was not", about.Name)
		case refused(err):
			x.ok("sources", name, "a write was refused: %v", err)
		default:
			x.warn("sources", name, "try again when the source can be reached", "whether it lets itself be written to is not known: %v", err)
			return
		}
	}
	if about.RowGetter == nil || about.RowGetter.WritableQuery == "" {
		return
	}
	may, err := keysOf(ctx, seen, settings, name, about.RowGetter.WritableQuery)
	switch {
	case err != nil:
		x.warn("sources", name, "", "what the account may write cannot be asked: %v", err)
	case len(may) == 0:
		x.ok("sources", name, "the account may write nothing, as far as the server lists it")
	default:
		more := ""
		if len(may) > mostWritable {
			more = fmt.Sprintf(" and %d more", len(may)-mostWritable)
		}
		x.warn("sources", name, readOnlyAccount, "this account may write: %s%s; only the plugin keeps checkers from it", strings.Join(may[:min(len(may), mostWritable)], ", "), more)
	}
}

// refused says that the query itself was turned down: not the connection, the account as
// a whole or the plugin.
func refused(err error) bool {
	var failed *dwmon.FetchError
	return errors.As(err, &failed) && failed.Fault == dwmon.FaultChecker
}

// keysOf are the keys that a query gives.
func keysOf(ctx context.Context, seen *pluginhost.Inspection, settings []byte, source, query string) (keys []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	_, err = seen.RowGetter(settings).GetRows(ctx, dwmon.FetchRequest{
		RequestID: requestID(), Checker: &dwmon.Checker{Name: "dwmon_doctor", Source: source, Query: query, Extra: []byte("{}")},
		Timeout: probeTime, MaxRows: dwmon.DefaultMaxRows, MaxBytes: dwmon.DefaultMaxBytes,
	}, func(b *dwmon.Batch) error {
		at := 0
		for _, n := range b.Lengths {
			keys = append(keys, dwmon.ShownKey(b.Keys[at:at+int(n)]))
			at += int(n)
		}
		return nil
	})
	return keys, err
}
