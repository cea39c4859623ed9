package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// calendars reads which files make up each holiday calendar: one path, or a list.
func (l *loader) calendars(n *yaml.Node) {
	l.c.Calendars = map[string][]string{}
	for _, e := range l.r.Mapping(n, "calendars") {
		what := "calendars." + e.Name
		if !handlerName.MatchString(e.Name) {
			l.r.At(e.Key, fmt.Sprintf("%q is no name of a calendar", e.Name), "use letters, digits and _ - . (at most 64, a letter or digit first)")
			continue
		}
		nodes := []*yaml.Node{e.Value}
		if e.Value.Kind == yaml.SequenceNode {
			nodes = e.Value.Content
		}
		l.c.Calendars[e.Name] = []string{}
		for _, node := range nodes {
			if path, ok := l.calendarFile(node, what); ok {
				l.c.Calendars[e.Name] = append(l.c.Calendars[e.Name], path)
			}
		}
	}
}

// calendarFile reads the path of an .ics file.
func (l *loader) calendarFile(n *yaml.Node, what string) (string, bool) {
	path, ok := l.r.Word(n, what)
	switch {
	case !ok:
		return "", false
	case strings.Contains(path, "${"):
		l.r.At(n, what+" holds a reference ${…}; they are replaced in settings only", "write the path of an .ics file")
		return "", false
	case strings.Contains(path, "://"): // it may hold a password
		l.r.AtHidden(n, what+" is an address, and dwmon reads files", "fetch it regularly, from cron say, into a file beside the old one, and move it there")
		return "", false
	}
	return l.beside(path), true
}
