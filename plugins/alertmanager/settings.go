package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/provider"
	"github.com/dwmon/dwmon/pluginsdk"
)

type settings struct {
	URL         string             `json:"url" doc:"of Alertmanager, such as http://alertmanager:9093"`
	URLs        []string           `json:"urls" doc:"of all members of a cluster, instead of url: each is told"`
	Username    string             `json:"username" doc:"for Authorization: Basic"`
	Password    string             `json:"password" secret:"true"`
	BearerToken string             `json:"bearer_token" secret:"true" doc:"for Authorization: Bearer"`
	Labels      map[string]string  `json:"labels" doc:"labels that every alert gets, such as env: prod"`
	Severity    string             `json:"severity" doc:"the label severity; a checker's own goes first; empty for none"`
	Hold        pluginsdk.Duration `json:"hold" doc:"when Alertmanager ends an alert of which it hears nothing more"`
	provider.Settings
}

var defaults = settings{
	Severity: "warning",
	// Only a recovery is to end an alert: one that dwmon does not repeat goes on.
	Hold: pluginsdk.Duration(366 * 24 * time.Hour),
}

// ownLabels are those that say what an alert is about.
var ownLabels = []string{labelName, labelChecker, labelOwner, labelSource, labelIncident, labelRequirement}

var labelForm = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// check says what is wrong with the settings, but for the URLs.
func (s *settings) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if s.BearerToken != "" && (s.Username != "" || s.Password != "") {
		fault("bearer_token and username exclude one another; give one of them")
	}
	if s.Password != "" && s.Username == "" {
		fault("username is missing; there is a password")
	}
	if !provider.ValidHeaderValue(s.BearerToken) {
		fault("bearer_token holds a line break or another control character")
	}
	if s.Hold <= 0 {
		fault("hold must be above 0")
	}
	for name := range s.Labels {
		switch {
		case !labelForm.MatchString(name):
			fault("labels: %q is no name of a label; want letters, digits and _", name)
		case slices.Contains(ownLabels, name):
			fault("labels: %s is set by the plugin itself", name)
		case name == labelSeverity:
			fault("labels: for %s there is the setting of that name", name)
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(faults...)
}

// bases reads the URLs.
func (s *settings) bases() (bases []*url.URL, err error) {
	given := s.URLs
	switch {
	case s.URL != "" && len(s.URLs) > 0:
		return nil, errors.New("url and urls exclude one another; give one of them")
	case s.URL != "":
		given = []string{s.URL}
	case len(given) == 0:
		return nil, errors.New("url is missing: say where Alertmanager is")
	}
	for _, raw := range given {
		u, err := provider.ParseURL(raw)
		if err != nil {
			return nil, fmt.Errorf("url: %w", err)
		}
		u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/api/v2/alerts") + "/"
		bases = append(bases, u)
	}
	return bases, nil
}

// authorization is sent with each request, and what is secret in it.
func (s *settings) authorization() (header http.Header, secrets []string) {
	header = http.Header{}
	switch {
	case s.BearerToken != "":
		header.Set("Authorization", "Bearer "+s.BearerToken)
		return header, []string{s.BearerToken}
	case s.Username != "":
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(s.Username+":"+s.Password)))
		return header, provider.BasicSecrets(s.Username, s.Password)
	}
	return header, nil
}

func (h *handler) setup(context.Context) error {
	s := &h.settings
	if err := s.check(); err != nil {
		return pluginsdk.ConfigError(err)
	}
	bases, err := s.bases()
	if err != nil {
		return pluginsdk.ConfigError(err)
	}
	header, secrets := s.authorization()
	for _, base := range bases {
		secrets = append(secrets, provider.UserSecrets(base)...)
	}
	client, err := provider.New(provider.Options{
		Provider: "Alertmanager", Plugin: "alertmanager", Version: version, Settings: s.Settings, Secrets: secrets,
	})
	if err != nil {
		return err
	}
	h.members = nil
	for _, base := range bases {
		h.members = append(h.members, &member{base: base, header: header, client: client})
	}
	return nil
}
