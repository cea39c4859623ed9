package plugintest

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKilledSeesWhatIsLeftAtTheHost: a plugin alone cannot make the kit leak, so the
// test does.
func TestKilledSeesWhatIsLeftAtTheHost(t *testing.T) {
	for want, leak := range map[string]func(context.Context){
		"file descriptors at the host before 20 restarts": func(ctx context.Context) {
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Error(err)
				return
			}
			context.AfterFunc(ctx, func() { _ = f.Close() })
		},
		"goroutines at the host before 20 restarts": func(ctx context.Context) { go func() { <-ctx.Done() }() },
	} {
		t.Run(want, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			defer wg.Wait()
			defer cancel()
			wg.Go(func() {
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						leak(ctx)
					case <-ctx.Done():
						return
					}
				}
			})
			r := check(t, executableFixture(t, "good"), Options{Only: []int{16}})[16]
			if r.Status != Fail || !strings.Contains(r.Detail, want) {
				t.Errorf("%+v", r)
			}
		})
	}
}
