package plugintest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// ends is case 13. In process only Drain can be seen, and only once.
func ends(ctx context.Context, k *kit) (string, error) {
	if _, ok := k.target.(*executable); !ok {
		return k.drains(ctx)
	}
	var details []string
	if canTerminate {
		took, err := k.processEnds(ctx, func(_ context.Context, s *session) error { return s.process.terminate() })
		if err != nil {
			return "", fmt.Errorf("SIGTERM: %w", err)
		}
		details = append(details, fmt.Sprintf("SIGTERM %v", took.Round(time.Millisecond)))
	}
	took, err := k.processEnds(ctx, func(ctx context.Context, s *session) error {
		if _, err := s.base.Drain(ctx, &pluginv1.DrainRequest{Grace: durationpb.New(100 * time.Millisecond)}); err != nil {
			return err
		}
		s.shutDown(ctx)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("Drain: %w", err)
	}
	return strings.Join(append(details, fmt.Sprintf("Drain %v", took.Round(time.Millisecond))), ", "), nil
}

// processEnds ends a plugin that is at work as well as can be done with what was
// given.
func (k *kit) processEnds(ctx context.Context, end func(context.Context, *session) error) (time.Duration, error) {
	s, err := k.ready(ctx)
	if err != nil {
		return 0, err
	}
	defer s.close()
	if err := k.occupy(ctx, s); err != nil {
		return 0, err
	}
	callCtx, cancel := context.WithTimeout(ctx, endLimit)
	defer cancel()
	began := time.Now()
	if err := end(callCtx, s); err != nil {
		return 0, err
	}
	if !s.process.wait(endLimit - time.Since(began)) {
		return 0, fmt.Errorf("it still runs after %v", endLimit)
	}
	took := time.Since(began)
	if state := s.process.cmd.ProcessState; state.ExitCode() != 0 {
		return 0, fmt.Errorf("it ended with %v, want exit code 0", state)
	}
	return took, s.process.leftSockets()
}

// occupy gives the plugin a call to be at work on, whose reader has stopped
// reading; without a query that lasts it has at least worked.
func (k *kit) occupy(ctx context.Context, s *session) error {
	if err := k.wantsRows(ctx, s); err != nil {
		if errors.As(err, new(skipped)) {
			return nil
		}
		return err
	}
	query := k.options.ManyRows
	if query == "" {
		query = k.options.SlowQuery
	}
	if query == "" {
		_, err := k.plainFetch(ctx, s)
		return err
	}
	stream, err := s.rows.GetRows(ctx, k.getRows(query))
	if err == nil && k.options.ManyRows != "" {
		_, err = stream.Recv()
	}
	return err
}

// drains is Drain in process: it answers that nothing runs, and from then on calls
// are refused so that the host tries another time.
func (k *kit) drains(ctx context.Context) (string, error) {
	s, err := k.ready(ctx)
	if err != nil {
		return "", err
	}
	calls, _, err := k.works(ctx, s)
	if err != nil && !errors.As(err, new(skipped)) {
		return "", err
	}
	callCtx, cancel := context.WithTimeout(ctx, endLimit)
	defer cancel()
	resp, err := s.base.Drain(callCtx, &pluginv1.DrainRequest{Grace: durationpb.New(returnLimit)})
	if err != nil {
		return "", fmt.Errorf("Drain: %w", err)
	}
	if n := resp.GetInFlight(); n != 0 {
		return "", fmt.Errorf("Drain: %d calls are still running", n)
	}
	for _, w := range calls {
		if err := w.call(ctx); codeOf(err) != codes.Unavailable {
			return "", fmt.Errorf("%s after Drain: want UNAVAILABLE: %w", w.kind, orOK(err))
		}
	}
	return "Drain only: in process there is nobody to send SIGTERM to", nil
}

// hostKilled is case 14: what the kernel does when a host is killed, which is to
// close all of its descriptors.
func hostKilled(ctx context.Context, k *kit) (string, error) {
	s, err := k.startProcess(ctx, "in process the plugin ends with its host")
	if err != nil {
		return "", err
	}
	defer s.close()
	if err := s.configure(ctx, k.settings); err != nil {
		return "", err
	}
	if err := k.occupy(ctx, s); err != nil {
		return "", err
	}
	began := time.Now()
	s.process.abandon()
	_ = s.conn.Close()
	if !s.process.wait(endLimit) {
		return "", fmt.Errorf("it still runs %v after its host is gone; it must end when its standard input ends", endLimit)
	}
	groupLeft := func() int {
		if s.process.groupGone() {
			return 0
		}
		return 1
	}
	childCtx, cancel := context.WithDeadline(ctx, began.Add(endLimit))
	defer cancel()
	if _, ok := settled(childCtx, groupLeft, 0); !ok {
		return "", errors.New("it has ended, and processes that it has started have not; end them when the context of the call ends, or in Shutdown")
	}
	return fmt.Sprintf("after %v", time.Since(began).Round(time.Millisecond)), s.process.leftSockets()
}

// leftSockets is an error that names the sockets that were left.
func (p *process) leftSockets() error {
	return filepath.WalkDir(p.dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type()&fs.ModeSocket != 0 {
			return fmt.Errorf("the socket %s was left", filepath.Base(path))
		}
		return nil
	})
}

// restarts is how often case 16 kills and starts again.
const restarts = 20

// killed is case 16. The state folder is the same each time, as for an instance of
// a host.
func killed(ctx context.Context, k *kit) (string, error) {
	t, ok := k.target.(*executable)
	if !ok {
		return "", skip("in process there is nothing to kill: try the executable")
	}
	dir, err := newFolder()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := t.oneLife(ctx, k, dir); err != nil { // what is made once and kept is made here
		return "", fmt.Errorf("start 1: %w", err)
	}
	fds := steady(ctx, descriptors)
	goros := steady(ctx, runtime.NumGoroutine)
	for i := range restarts {
		if err := t.oneLife(ctx, k, dir); err != nil {
			return "", fmt.Errorf("start %d, after the one before was killed: %w", i+2, err)
		}
	}
	if n, ok := settled(ctx, descriptors, fds); !ok {
		return "", fmt.Errorf("%d file descriptors at the host before %d restarts, %d after", fds, restarts, n)
	}
	if n, ok := settled(ctx, runtime.NumGoroutine, goros); !ok {
		_, stacks := goroutines("")
		return "", fmt.Errorf("%d goroutines at the host before %d restarts, %d after; most are at%s", goros, restarts, n, mostOf(stacks))
	}
	return fmt.Sprintf("%d starts", restarts+1), nil
}

// oneLife starts the plugin, lets it work and kills it.
func (t *executable) oneLife(ctx context.Context, k *kit, dir string) error {
	sub, err := os.MkdirTemp(dir, "")
	if err != nil {
		return err
	}
	s, err := t.startIn(ctx, k, sub, t.env, false)
	if err != nil {
		return err
	}
	defer s.close()
	s.state = filepath.Join(dir, "state")
	if err := s.configure(ctx, k.settings); err != nil {
		return err
	}
	d, err := s.describe(ctx)
	if err != nil {
		return err
	}
	if d.GetRowGetter() != nil && k.options.Query != "" {
		if _, err := k.plainFetch(ctx, s); err != nil {
			return err
		}
	}
	s.process.kill()
	if !s.process.wait(endLimit) {
		return fmt.Errorf("it still runs %v after SIGKILL", endLimit)
	}
	return nil
}
