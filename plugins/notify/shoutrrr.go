package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"github.com/nicholas-fedor/shoutrrr/pkg/util/jsonclient"
)

// Everything of the library is in this file.

// limitTime gives a limit to the client with which many of the library's services
// send; theirs has none.
func limitTime(d time.Duration) { http.DefaultClient.Timeout = d }

// elsewhere are services that the library has and we do not use, with what to use
// instead.
var elsewhere = map[string]string{
	"smtp":   "mail has a plugin of its own: mail",
	"logger": "the log has a plugin of its own: log",
}

// check says what is wrong with a URL, without asking the service. Its text may hold
// the URL.
func check(u *url.URL) error {
	name, _, _ := strings.Cut(u.Scheme, "+")
	if instead := elsewhere[name]; instead != "" {
		return errors.New(instead)
	}
	var r router.ServiceRouter
	if _, err := r.NewService(name); err != nil {
		all := r.ListServices()
		all = slices.DeleteFunc(all, func(s string) bool { return elsewhere[s] != "" })
		slices.Sort(all)
		return fmt.Errorf("there is no service %q; there are %s", name, strings.Join(all, ", "))
	}
	if name == "matrix" {
		return nil // would log in
	}
	_, err := r.Locate(u.String())
	return err
}

// titled are the services that show a title of its own. The others get it as the
// first line.
var titled = []string{"bark", "discord", "gotify", "join", "ntfy", "opsgenie", "pushbullet", "pushover"}

// lengths are how many bytes of a text a service takes, where that is less than
// others do.
var lengths = map[string]int{"pushover": 1000, "discord": 1900, "ifttt": 1000}

const maxLength = 3500

// send tells a service. It cannot be given up; whoever waits for it must be able to do
// without.
func send(u *url.URL, title, text string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the library panicked: %v", p)
		}
	}()
	// One for each message: some services write a message's title into their
	// settings.
	var r router.ServiceRouter
	service, err := r.Locate(u.String())
	if err != nil {
		return err
	}
	params := types.Params{}
	name, _, _ := strings.Cut(u.Scheme, "+")
	switch {
	case name == "generic": // which of the two is sent depends on its template
		params.SetTitle(title)
		text = title + "\n\n" + text
	case slices.Contains(titled, name):
		params.SetTitle(title)
	default:
		text = title + "\n\n" + text
	}
	return service.Send(text, &params)
}

// statusOf is the HTTP status that a service answered with, where the library tells;
// else 0.
func statusOf(err error) int {
	var answered jsonclient.Error
	if errors.As(err, &answered) {
		return answered.StatusCode
	}
	return 0
}
