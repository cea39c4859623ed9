// Command dwmon-plugin-retention is a purger: rows older than the setting keep are
// purged. A checker may set its own in its EXTRA section:
//
//	{"retention": {"keep": "30d"}}
//
// "forever" keeps everything. A misspelt member of "retention" is an error rather
// than ignored, because the other outcome would be to purge too much.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/dwmon/dwmon/pluginsdk"
)

func main() { pluginsdk.Serve(newPlugin()) }

type settings struct {
	Keep        string  `json:"keep" doc:"how long rows are kept, such as 400d, or forever; required for checkers whose EXTRA does not say"`
	Probability float64 `json:"probability" doc:"purge in this share of the passes only, 0 to 1"`
}

func newPlugin() pluginsdk.Plugin {
	p := &purger{settings: settings{Probability: 1}, random: rand.Float64}
	return pluginsdk.Plugin{
		Name:     "retention",
		Version:  "0.1.0",
		Summary:  "purges rows that are older than a duration",
		Settings: &p.settings,
		Setup:    p.setup,
		Purger:   p,
	}
}

type purger struct {
	settings settings
	random   func() float64 // in [0, 1)
	keep     *retention     // nil: the checkers must say
}

// retention is how long rows are kept.
type retention struct {
	forever bool
	keep    pluginsdk.Duration
}

func parseRetention(text string) (*retention, error) {
	if text == "forever" {
		return &retention{forever: true}, nil
	}
	d, err := pluginsdk.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("keep: %w, or forever", err)
	}
	if d == 0 {
		return nil, errors.New("keep: 0 would purge every row; the least is 1s")
	}
	return &retention{keep: d}, nil
}

func (p *purger) setup(context.Context) (err error) {
	if !(p.settings.Probability >= 0 && p.settings.Probability <= 1) {
		return pluginsdk.ConfigError(fmt.Errorf("probability is %v: want a number from 0 to 1", p.settings.Probability))
	}
	if p.settings.Keep != "" {
		p.keep, err = parseRetention(p.settings.Keep)
	}
	return pluginsdk.ConfigError(err)
}

func (p *purger) IdentifyOld(_ context.Context, in pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
	keep, err := p.retentionOf(in.ExtraJSON)
	if err != nil {
		return pluginsdk.Keep(), err
	}
	if keep.forever || p.random() >= p.settings.Probability {
		return pluginsdk.Keep(), nil
	}
	return pluginsdk.DeleteOlderThan(in.Now.Add(-keep.keep.Std())).Because(fmt.Sprintf("rows are kept for %s", keep.keep)), nil
}

// retentionOf is the checker's own retention, else that of the settings.
func (p *purger) retentionOf(extra []byte) (*retention, error) {
	own, err := ownRetention(extra)
	switch {
	case err != nil:
		return nil, pluginsdk.CheckerError(err)
	case own != nil:
		return own, nil
	case p.keep != nil:
		return p.keep, nil
	}
	return nil, pluginsdk.CheckerError(errors.New(
		`nothing says how long rows are kept: set keep in the purger's settings, or {"retention": {"keep": "400d"}} in the checker's EXTRA section`))
}

// ownRetention reads the member "retention" of EXTRA; nil where there is none.
func ownRetention(extra []byte) (*retention, error) {
	var all struct {
		Retention json.RawMessage `json:"retention"`
	}
	if len(bytes.TrimSpace(extra)) > 0 && json.Unmarshal(extra, &all) != nil {
		// The SDK has refused what is no JSON; and EXTRA need not be an object.
		// Whatever it is, it is not meant for us.
		return nil, nil
	}
	if len(all.Retention) == 0 || string(all.Retention) == "null" {
		return nil, nil
	}
	var own struct {
		Keep string `json:"keep"`
	}
	dec := json.NewDecoder(bytes.NewReader(all.Retention))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&own); err != nil {
		return nil, fmt.Errorf(`the EXTRA section: retention: want {"keep": "30d"}: %w`, err)
	}
	keep, err := parseRetention(own.Keep)
	if err != nil {
		return nil, fmt.Errorf("the EXTRA section: retention: %w", err)
	}
	return keep, nil
}

// ValidateChecker finds a fault of the EXTRA section before the first purge.
func (p *purger) ValidateChecker(_ context.Context, c pluginsdk.CheckerText) []pluginsdk.Diagnostic {
	if _, err := p.retentionOf(c.ExtraJSON); err != nil {
		return []pluginsdk.Diagnostic{{
			Severity: pluginsdk.SeverityError, Code: "RETENTION", Pointer: "/retention", Summary: err.Error(),
		}}
	}
	return nil
}

var _ pluginsdk.Validator = (*purger)(nil)
