package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/pluginhost/hostbench"
	"github.com/dwmon/dwmon/internal/procfs"
)

// fetchOverRaw is row 1.
func fetchOverRaw(ctx context.Context, b *bench) ([]figure, error) {
	rig, err := b.transport()
	if err != nil {
		return nil, err
	}
	b.say("row 1: fetching")
	fetch := repeat(20, rig.Fetch)
	raw := repeat(80, func(context.Context) error { return rig.RawFrame() })
	ratio, x, y, err := compare(ctx, b.turns(61), fetch, raw)
	if err != nil {
		return nil, err
	}
	cpu, err := fetchCPU(ctx, b, rig)
	if err != nil {
		return nil, err
	}
	return []figure{{value: ratio, detail: ms(x) + " over " + ms(y) + cpu}}, nil
}

// fetchCPU says what the fetch and the raw frame cost in processor time, which
// depends less than their time on what else the machine does. It is empty where
// that cannot be read.
func fetchCPU(ctx context.Context, b *bench, rig *hostbench.Rig) (string, error) {
	b.say("row 1: processor time")
	var plugin, daemon, raw []time.Duration
	for range b.turns(21) {
		fetch, err := rig.FetchCPU(ctx, 20)
		if errors.Is(err, procfs.ErrUnsupported) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		frame, err := rig.RawCPU(80)
		if err != nil {
			return "", err
		}
		plugin, daemon, raw = append(plugin, fetch.Other), append(daemon, fetch.Host), append(raw, frame.Host+frame.Other)
	}
	return fmt.Sprintf("; CPU: plugin %s, daemon %s, over %s", ms(median(plugin)), ms(median(daemon)), ms(median(raw))), nil
}

// fetchAllocations is row 2.
func fetchAllocations(ctx context.Context, b *bench) ([]figure, error) {
	rig, err := b.transport()
	if err != nil {
		return nil, err
	}
	b.say("row 2: counting allocations")
	var counts []float64
	for range b.turns(9) {
		n, err := rig.Allocations(ctx, 50)
		if err != nil {
			return nil, err
		}
		counts = append(counts, n)
	}
	return []figure{{value: median(counts)}}, nil
}

// startAndCall is row 13.
func startAndCall(ctx context.Context, b *bench) ([]figure, error) {
	rig, err := b.transport()
	if err != nil {
		return nil, err
	}
	b.say("row 13: starting plugins")
	var starts []time.Duration
	for range b.turns(15) {
		took, err := rig.StartToReady(ctx)
		if err != nil {
			return nil, err
		}
		starts = append(starts, took)
	}
	b.say("row 13: calling")
	call := repeat(100, rig.SmallCall)
	raw := repeat(500, func(context.Context) error { return rig.RawRoundTrip() })
	ratio, x, y, err := compare(ctx, b.turns(31), call, raw)
	if err != nil {
		return nil, err
	}
	return []figure{
		{part: "start", value: float64(median(starts)) / 1e6, detail: "process, TLS, Describe, Configure, first call"},
		{part: "call", value: ratio, detail: ms(x) + " over " + ms(y)},
	}, nil
}
