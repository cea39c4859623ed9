package plugintest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// work is one call of a kind that is served, which must succeed.
type work struct {
	kind string
	call func(context.Context) error
	// panics is the same call at which the plugin panics.
	panics func(context.Context) error
}

// works are the calls of the kinds that can be tried; left says of the others why
// not.
func (k *kit) works(ctx context.Context, s *session) (calls []work, left []string, err error) {
	d, err := s.describe(ctx)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case d.GetRowGetter() == nil:
	case k.options.Query == "":
		left = append(left, "the row getter: no query was given (Options.Query)")
	default:
		calls = append(calls, k.rowGetterWork(s))
	}
	switch {
	case d.GetCheckHandler() == nil:
	case k.options.NoDeliveries:
		left = append(left, "the check handler: nothing is to be delivered (Options.NoDeliveries)")
	default:
		calls = append(calls, k.checkHandlerWork(s))
	}
	if d.GetPurger() != nil {
		calls = append(calls, k.purgerWork(s))
	}
	if len(calls) == 0 {
		return nil, nil, skip("there is nothing to call: %s", strings.Join(left, "; "))
	}
	return calls, left, nil
}

func (k *kit) rowGetterWork(s *session) work {
	return work{
		"row_getter",
		func(ctx context.Context) error { _, err := k.plainFetch(ctx, s); return err },
		func(ctx context.Context) error {
			req := k.getRows(k.options.Query)
			req.Checker.Revision = s.faults.plan(faultPanic)
			ctx, cancel := context.WithTimeout(ctx, callLimit)
			defer cancel()
			_, err := s.fetch(ctx, req)
			return err
		},
	}
}

func (k *kit) checkHandlerWork(s *session) work {
	handle := func(ctx context.Context, req *pluginv1.HandleCheckRequest) error {
		ctx, cancel := context.WithTimeout(ctx, callLimit)
		defer cancel()
		if _, err := s.handler.HandleCheck(ctx, req); err != nil {
			return fmt.Errorf("HandleCheck: %w", err)
		}
		return nil
	}
	return work{
		"check_handler",
		func(ctx context.Context) error { return handle(ctx, k.handleCheck()) },
		func(ctx context.Context) error {
			req := k.handleCheck()
			req.Checker.Revision = s.faults.plan(faultPanic)
			return handle(ctx, req)
		},
	}
}

func (k *kit) purgerWork(s *session) work {
	identify := func(ctx context.Context, req *pluginv1.IdentifyOldRequest) error {
		ctx, cancel := context.WithTimeout(ctx, callLimit)
		defer cancel()
		if _, err := s.purger.IdentifyOld(ctx, req); err != nil {
			return fmt.Errorf("IdentifyOld: %w", err)
		}
		return nil
	}
	return work{
		"purger",
		func(ctx context.Context) error { return identify(ctx, k.identifyOld()) },
		func(ctx context.Context) error {
			req := k.identifyOld()
			req.Checker.Revision = s.faults.plan(faultPanic)
			return identify(ctx, req)
		},
	}
}

func kindsOf(calls []work, left []string) string {
	var names []string
	for _, w := range calls {
		names = append(names, w.kind)
	}
	text := strings.Join(names, ", ")
	for _, why := range left {
		text += "; not " + why
	}
	return text
}

const (
	atOnce = 8
	// rounds of atOnce calls a kind are counted after the first, and slack is how
	// many goroutines more are still taken for those of pooled connections. One
	// goroutine that is left per call shows as atOnce * rounds.
	rounds = 4
	slack  = 12
)

// parallel is case 10.
func parallel(ctx context.Context, k *kit) (string, error) {
	s, err := k.ready(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	calls, left, err := k.works(ctx, s)
	if err != nil {
		return "", err
	}
	if err := together(ctx, calls); err != nil {
		return "", err
	}
	if s.label == "" {
		return kindsOf(calls, left), nil
	}
	count := func() int { n, _ := goroutines(s.label); return n }
	before := steady(ctx, count)
	for range rounds {
		if err := together(ctx, calls); err != nil {
			return "", err
		}
	}
	if after, ok := settled(ctx, count, before+slack); !ok {
		_, stacks := goroutines(s.label)
		return "", fmt.Errorf("%d goroutines before %d calls of each kind, %d after; most are at%s", before, atOnce*rounds, after, mostOf(stacks))
	}
	return kindsOf(calls, left), nil
}

// together makes eight calls of every kind at the same time.
func together(ctx context.Context, calls []work) error {
	var (
		wg sync.WaitGroup
		mu sync.Mutex
		// The first is enough: with one reason all may fail.
		first error
	)
	for range atOnce {
		for _, w := range calls {
			wg.Go(func() {
				if err := w.call(ctx); err != nil {
					mu.Lock()
					defer mu.Unlock()
					if first == nil {
						first = fmt.Errorf("%s, among %d calls at the same time: %w", w.kind, atOnce, err)
					}
				}
			})
		}
	}
	wg.Wait()
	return first
}

// panics is case 11.
func panics(ctx context.Context, k *kit) (string, error) {
	s, err := k.start(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	if s.faults == nil {
		return k.processPanics(ctx, s)
	}
	if err := s.configure(ctx, k.settings); err != nil {
		return "", err
	}
	calls, left, err := k.works(ctx, s)
	if err != nil {
		return "", err
	}
	for _, w := range calls {
		// More often than any pool has places: a place that is not given back is
		// missed.
		for range atOnce {
			if err := internal(w.panics(ctx)); err != nil {
				return "", fmt.Errorf("%s: %w", w.kind, err)
			}
		}
		if err := w.call(ctx); err != nil {
			return "", fmt.Errorf("%s after a panic: %w", w.kind, err)
		}
	}
	return kindsOf(calls, left), nil
}

func (k *kit) processPanics(ctx context.Context, s *session) (string, error) {
	if err := k.wantsRows(ctx, s); err != nil {
		return "", err
	}
	if k.options.PanicQuery == "" {
		return "", skip("no query at which the plugin panics was given (Options.PanicQuery): try it in process")
	}
	if err := s.configure(ctx, k.settings); err != nil {
		return "", err
	}
	callCtx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	_, err := s.fetch(callCtx, k.getRows(k.options.PanicQuery))
	if err := internal(err); err != nil {
		return "", err
	}
	if _, err := k.plainFetch(ctx, s); err != nil {
		return "", fmt.Errorf("after a panic: %w", err)
	}
	return "", nil
}

func internal(err error) error {
	if codeOf(err) != codes.Internal {
		return fmt.Errorf("a panic ends with %v, want INTERNAL: %w", codeOf(err), orOK(err))
	}
	return nil
}

// printedBytes is what Options.PrintQuery prints to each output.
const printedBytes = 1 << 20

// prints is case 12.
func prints(ctx context.Context, k *kit) (string, error) {
	s, err := k.startProcess(ctx, "in process the outputs are those of this process")
	if err != nil {
		return "", err
	}
	defer s.close()
	if err := k.wantsRows(ctx, s); err != nil {
		return "", err
	}
	if k.options.PrintQuery == "" {
		return "", skip("no query at which the plugin prints was given (Options.PrintQuery)")
	}
	if err := s.configure(ctx, k.settings); err != nil {
		return "", err
	}
	p := s.process
	before := p.printed.Load() + p.out.count() + p.errs.count()
	for range 2 {
		callCtx, cancel := context.WithTimeout(ctx, callLimit)
		_, err := s.fetch(callCtx, k.getRows(k.options.PrintQuery))
		cancel()
		if err != nil {
			return "", fmt.Errorf("a fetch that prints: %w", err)
		}
	}
	if _, err := k.plainFetch(ctx, s); err != nil {
		return "", fmt.Errorf("after a fetch that prints: %w", err)
	}
	missing := func() int {
		return int(before + 3*printedBytes - p.printed.Load() - p.out.count() - p.errs.count())
	}
	if n, ok := settled(ctx, missing, 0); !ok {
		return "", fmt.Errorf("Options.PrintQuery printed %d bytes less than 1 MiB to each of three outputs", n)
	}
	return "", nil
}

// unknownFields is case 15.
func unknownFields(ctx context.Context, k *kit) (string, error) {
	s, err := k.start(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	callCtx, cancel := context.WithTimeout(ctx, 3*callLimit)
	defer cancel()
	d, err := s.base.Describe(callCtx, later(&pluginv1.DescribeRequest{}))
	if err != nil {
		return "", fmt.Errorf("Describe: %w", err)
	}
	resp, err := s.base.Configure(callCtx, later(s.configuration(k.settings)))
	if err != nil {
		return "", fmt.Errorf("Configure: %w", err)
	}
	if fault := firstError(resp.GetDiagnostics()); fault != nil {
		return "", refused{diagnosticText(fault)}
	}
	tried := []string{"Describe", "Configure"}
	if d.GetRowGetter() != nil && k.options.Query != "" {
		req := later(k.getRows(k.options.Query))
		later(req.Checker)
		if _, err := s.fetch(callCtx, req); err != nil {
			return "", fmt.Errorf("GetRows: %w", err)
		}
		tried = append(tried, "GetRows")
	}
	if d.GetCheckHandler() != nil && !k.options.NoDeliveries {
		req := later(k.handleCheck())
		later(req.Result)
		if _, err := s.handler.HandleCheck(callCtx, req); err != nil {
			return "", fmt.Errorf("HandleCheck: %w", err)
		}
		tried = append(tried, "HandleCheck")
	}
	if d.GetPurger() != nil {
		if _, err := s.purger.IdentifyOld(callCtx, later(k.identifyOld())); err != nil {
			return "", fmt.Errorf("IdentifyOld: %w", err)
		}
		tried = append(tried, "IdentifyOld")
	}
	return strings.Join(tried, ", "), nil
}

// later gives a message a field that a later version of the protocol may have.
func later[M proto.Message](m M) M {
	const number = 1999
	raw := protowire.AppendTag(nil, number, protowire.BytesType)
	m.ProtoReflect().SetUnknown(protowire.AppendString(raw, "from a later version"))
	return m
}
