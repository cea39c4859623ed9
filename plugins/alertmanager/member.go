package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/provider"
	"github.com/dwmon/dwmon/pluginsdk"
)

// member is one Alertmanager, of a cluster or alone.
type member struct {
	base   *url.URL
	header http.Header
	client *provider.Client
}

// tell posts what fires and what has ended, and ends what stands there of the same
// incidents with other labels.
func (m *member) tell(ctx context.Context, t telling) error {
	now, err := m.post(ctx, t.all())
	if err != nil {
		return err
	}
	if err := m.end(ctx, t.ended, now); err != nil {
		return err
	}
	for ids := range slices.Chunk(t.incidents, lookedUpAtOnce) {
		if err := m.endOthers(ctx, ids, t.all(), now); err != nil {
			return err
		}
	}
	return nil
}

// end posts alerts once more that have not ended yet by the member's own clock,
// which is behind: to it they would fire until the time that Hold made.
func (m *member) end(ctx context.Context, ended []alert, now time.Time) error {
	var again []alert
	for _, a := range ended {
		if a.EndsAt.After(now) {
			again = append(again, a.endedAt(now))
		}
	}
	if len(again) == 0 {
		return nil
	}
	_, err := m.post(ctx, again)
	return err
}

// lookedUpAtOnce is how many incidents are asked for with one request.
const lookedUpAtOnce = 20

// endOthers ends alerts of incidents whose labels are not those that were told now:
// owner or labels of the checker, or our settings, have changed meanwhile. Where they
// may not be asked for, they fire until the time that Hold made.
func (m *member) endOthers(ctx context.Context, incidents []string, told []alert, now time.Time) error {
	standing, err := m.firing(ctx, incidents)
	if err != nil {
		pluginsdk.Logger(ctx).Warn("alerts of the same incident with other labels were not looked for", "error", err)
		return nil
	}
	var others []alert
	for _, a := range standing {
		if !a.isOneOf(told) {
			others = append(others, a.endedAt(now))
		}
	}
	if len(others) == 0 {
		return nil
	}
	_, err = m.post(ctx, others)
	return err
}

// post sends alerts, and gives the time of the member's clock, to the second.
func (m *member) post(ctx context.Context, alerts []alert) (now time.Time, err error) {
	body, err := json.Marshal(alerts)
	if err != nil {
		return now, pluginsdk.Permanent(err)
	}
	answer, err := m.client.Do(ctx, provider.Request{URL: m.api("alerts"), Header: m.header, Body: body, Idempotent: true})
	if err != nil {
		return now, err
	}
	if now, err = http.ParseTime(answer.Header.Get("Date")); err != nil {
		now = time.Now()
	}
	return now.UTC(), nil
}

// firing gives the alerts of incidents that have not ended.
func (m *member) firing(ctx context.Context, incidents []string) ([]alert, error) {
	var ids []string
	for _, id := range incidents {
		ids = append(ids, regexp.QuoteMeta(id))
	}
	u := m.api("alerts")
	u.RawQuery = url.Values{"filter": {labelIncident + "=~" + strconv.Quote(strings.Join(ids, "|"))}}.Encode()
	answer, err := m.client.Do(ctx, provider.Request{Method: http.MethodGet, URL: u, Header: m.header, Idempotent: true})
	if err != nil {
		return nil, err
	}
	var alerts []alert
	if err := json.Unmarshal(answer.Body, &alerts); err != nil {
		return nil, m.notAlertmanager()
	}
	return alerts, nil
}

// status asks whether the member is well and lets us in.
func (m *member) status(ctx context.Context) error {
	answer, err := m.client.Do(ctx, provider.Request{Method: http.MethodGet, URL: m.api("status"), Header: m.header, Idempotent: true})
	if err != nil {
		return err
	}
	var said struct {
		VersionInfo struct {
			Version string `json:"version"`
		} `json:"versionInfo"`
	}
	if json.Unmarshal(answer.Body, &said) != nil || said.VersionInfo.Version == "" {
		return m.notAlertmanager()
	}
	return nil
}

func (m *member) notAlertmanager() error {
	return pluginsdk.ConfigError(fmt.Errorf("what answers at %s is no Alertmanager; mend the url", provider.Where(m.base)))
}

// api is the URL of a resource of the API v2.
func (m *member) api(resource string) *url.URL { return m.base.JoinPath("api", "v2", resource) }
