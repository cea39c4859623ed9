package config

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/strictyaml"
)

// rate reads how often a handler may be told.
func (l *loader) rate(n *yaml.Node) dwmon.Rate {
	text, ok := l.r.Word(n, "rate")
	if !ok {
		return dwmon.Rate{}
	}
	rate, err := dwmon.ParseRate(text)
	if err != nil {
		l.r.At(n, "rate: "+err.Error(), "remove the key for no bound")
	}
	return rate
}

// Defaults and bounds of a heartbeat.
const (
	defaultBeatEvery   = time.Minute
	defaultBeatTimeout = 10 * time.Second
	maxBeatTimeout     = time.Minute
)

// beatMethods are those that a heartbeat may use.
var beatMethods = []string{"GET", "HEAD", "POST", "PUT"}

func (l *loader) heartbeat(n *yaml.Node) {
	h := &Heartbeat{Method: "GET", Every: defaultBeatEvery, Timeout: defaultBeatTimeout}
	seen := l.r.Fields(n, "heartbeat", []strictyaml.Field{
		{Name: "url", Read: func(n *yaml.Node) { h.URL = l.beatURL(n) }},
		{Name: "method", Read: func(n *yaml.Node) { h.Method = l.beatMethod(n) }},
		{Name: "every", Read: func(n *yaml.Node) { h.Every, _ = l.r.Duration(n, "heartbeat.every", time.Minute, 24*time.Hour) }},
		{Name: "timeout", Read: func(n *yaml.Node) {
			h.Timeout, _ = l.r.Duration(n, "heartbeat.timeout", time.Second, maxBeatTimeout)
		}},
	})
	if n.Kind == yaml.MappingNode && !seen["url"] {
		l.r.At(n, "heartbeat names no url", "write heartbeat: {url: \"https://hc-ping.com/${HC}\"}, or remove the key")
	}
	l.c.Heartbeat = h
}

// beatURL reads the URL, with references replaced. Its faults do not show it: its
// path is its password as a rule.
func (l *loader) beatURL(n *yaml.Node) Secret {
	l.r.Hide = true
	defer func() { l.r.Hide = false }()
	if _, ok := l.r.Word(n, "heartbeat.url"); !ok {
		return ""
	}
	faults := len(l.r.Faults)
	text := l.resolve(n, "heartbeat.url")
	if len(l.r.Faults) > faults {
		return ""
	}
	if l.unresolved && strings.Contains(text, "${") {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Fragment != "" {
		l.r.At(n, "heartbeat.url is no URL of HTTP", "write https://HOST/PATH")
		return ""
	}
	l.c.secrets.add(text)
	return Secret(text)
}

func (l *loader) beatMethod(n *yaml.Node) string {
	text, ok := l.r.Word(n, "heartbeat.method")
	if !ok {
		return ""
	}
	for _, m := range beatMethods {
		if text == m {
			return m
		}
	}
	l.r.At(n, fmt.Sprintf("heartbeat.method is %q", text), "write one of "+strings.Join(beatMethods, ", "))
	return ""
}
