package daemon

import (
	"context"

	"github.com/dwmon/dwmon/internal/alerting"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/notice"
)

// newNotifier makes the notifier of the present configuration.
func (a *assembly) newNotifier(ctx context.Context, wake func()) (*alerting.Notifier, error) {
	installation, err := a.db.Installation(ctx)
	if err != nil {
		return nil, err
	}
	opts := alerting.Options{Store: a.db, Installation: installation, Wake: wake, Redact: a.redact, Log: a.log}
	return alerting.New(opts, a.world(a.catalog.jobs(a.routing))), nil
}

// world is what notices hang on beside the store.
func (a *assembly) world(jobs []*engine.Job) alerting.World {
	world := alerting.World{Subjects: a.subjects(jobs), Handlers: map[string]alerting.Handler{}, Alert: a.cfg.Alert}
	for name, h := range a.routing.handlers {
		told := alerting.Handler{Route: h.route, Template: a.template("handler "+name, h.Template.Summary, h.Template.Body)}
		if h.Group != nil {
			told.Group = &alerting.Group{By: h.Group.By, Wait: h.Group.Wait}
		}
		world.Handlers[name] = told
	}
	return world
}

// subjects are the checkers as notices need them.
func (a *assembly) subjects(jobs []*engine.Job) map[string]alerting.Subject {
	subjects := make(map[string]alerting.Subject, len(jobs))
	for _, j := range jobs {
		subjects[j.Checker.Name] = alerting.Subject{
			Checker: j.Checker, Source: j.Source.Name, Zone: j.Checker.Zone(a.cfg.Timezone), Alert: j.Alert, Routes: j.Routes,
			Template: a.template("checker "+j.Checker.Name, "", j.Checker.Options.Template),
		}
	}
	return subjects
}

// template makes a template; nil where there is no text for it, or where the text
// is of a former dwmon that took it: this one has said in validation what it lacks.
func (a *assembly) template(of, summary, body string) *notice.Template {
	if summary == "" && body == "" {
		return nil
	}
	t, err := notice.ParseTemplate(summary, body)
	if err != nil {
		a.log.Warn("a template cannot be used: notices have the words of dwmon", "of", of, "error", err)
		return nil
	}
	return t
}

// lookAgain says that something was committed that notices may hang on.
func (d *daemon) lookAgain() {
	if n := d.notifier.Load(); n != nil { // else the first look is still to come
		n.Wake()
	}
}
