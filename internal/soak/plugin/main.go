// Command plugin is a row getter and a check handler with moods: files that the soak
// puts into a folder, NAME.MOOD, for each instance by its name.
//
//	fails     calls fail for now
//	refuses   calls fail for good
//	hangs     calls end when their time is up
//	breaks    a fetch fails in the middle of its rows
//	quiet     a fetch has no rows
//	large     a fetch of shaky/a has 20,000 rows more, which it never had before
//	crashes   the process ends in the middle of the next call, and takes the file away
//	unready   the process ends at its start
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// moody is an instance.
type moody struct {
	Dir  string `json:"dir" required:"true" doc:"where the moods are"`
	Name string `json:"name" required:"true" doc:"whose moods are its own"`
	// Round only makes another instance of it.
	Round int `json:"round" doc:"of no meaning"`
}

func (m *moody) path(mood string) string { return filepath.Join(m.Dir, m.Name+"."+mood) }

func (m *moody) is(mood string) bool {
	_, err := os.Stat(m.path(mood))
	return err == nil
}

func main() {
	m := &moody{}
	pluginsdk.Serve(pluginsdk.Plugin{
		Name: "moody", Version: "1.0.0", Summary: "fails in every way that its moods say", Settings: m,
		Setup: func(context.Context) error {
			if m.is("unready") {
				os.Exit(3)
			}
			return nil
		},
		RowGetter:    pluginsdk.RowGetterFunc(m.rows),
		CheckHandler: pluginsdk.CheckHandlerFunc(m.handle),
	})
}

// mood is how a call of any kind fails before it has begun.
func (m *moody) mood(ctx context.Context) error {
	switch {
	case m.is("crashes"):
		_ = os.Remove(m.path("crashes"))
		os.Exit(4)
	case m.is("hangs"):
		<-ctx.Done()
		return ctx.Err()
	case m.is("refuses"):
		return pluginsdk.Permanent(errors.New("refused"))
	case m.is("fails"):
		return pluginsdk.Retryable(errors.New("down"), 0)
	}
	return nil
}

func (m *moody) handle(ctx context.Context, _ pluginsdk.CheckEvent) error { return m.mood(ctx) }

// rows gives the newest of endless rows, newest first. The query is how many, and how
// many seconds lie between two.
func (m *moody) rows(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
	var n, every int64
	if _, err := fmt.Sscan(q.Text, &n, &every); err != nil || every <= 0 {
		return pluginsdk.CheckerError(fmt.Errorf("the query is no two numbers: %w", err))
	}
	if err := m.mood(ctx); err != nil || m.is("quiet") {
		return err
	}
	now := time.Now()
	if m.is("large") && q.Checker.Name == "shaky/a" {
		for i := range int64(20_000) {
			if err := out.AppendMicros(fmt.Sprintf("large-%d-%d", now.UnixMicro(), i), now.UnixMicro()-i); err != nil {
				return err
			}
		}
	}
	newest := now.Unix() / every
	for i := range n {
		if i == n/2 && m.is("breaks") {
			return pluginsdk.Retryable(errors.New("the connection is gone"), 0)
		}
		if err := out.AppendMicros(fmt.Sprintf("row-%d", newest-i), (newest-i)*every*1e6); err != nil {
			return err
		}
	}
	return nil
}
