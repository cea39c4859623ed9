package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"github.com/dwmon/dwmon/pluginsdk"
)

// addresses are given as a text, several of them with commas between, or as a list
// of such texts.
type addresses []*mail.Address

func (a *addresses) UnmarshalJSON(raw []byte) error {
	var list []string
	var text string
	if json.Unmarshal(raw, &text) == nil {
		list = []string{text}
	} else if json.Unmarshal(raw, &list) != nil {
		return errors.New("want an address, several with commas between, or a list of addresses")
	}
	all, err := parseAddresses(list)
	if err != nil {
		return err
	}
	*a = all
	return nil
}

func parseAddresses(list []string) (all addresses, err error) {
	for _, text := range list {
		if text = strings.Trim(text, " ,\t\n"); text == "" {
			continue
		}
		some, err := mail.ParseAddressList(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no mail address: want name@example.com, or Name <name@example.com>", text)
		}
		all = append(all, some...)
	}
	return all, nil
}

// sender is one address.
type sender struct{ addresses }

func (s *sender) UnmarshalJSON(raw []byte) error {
	if err := s.addresses.UnmarshalJSON(raw); err != nil {
		return err
	}
	if len(s.addresses) > 1 {
		return errors.New("want one address")
	}
	return nil
}

// address is the sender, nil where it was left empty.
func (s sender) address() *mail.Address {
	if len(s.addresses) == 0 {
		return nil
	}
	return s.addresses[0]
}

// envelope is everybody who gets a mail, each once.
func envelope(lists ...addresses) (all []string) {
	seen := map[string]bool{}
	for _, list := range lists {
		for _, a := range list {
			// Only the domain is free of case, but two mails to the same person
			// are worse than none to somebody's namesake in capitals.
			if key := strings.ToLower(a.Address); !seen[key] {
				seen[key] = true
				all = append(all, a.Address)
			}
		}
	}
	return all
}

// recipients are those of the settings; else those that EXTRA names under alert; else
// the fallback.
func (s *settings) recipients(extra []byte) (addresses, error) {
	if len(s.To) > 0 {
		return s.To, nil
	}
	alert, err := alertOf(extra)
	switch {
	case err != nil:
		return nil, pluginsdk.Permanent(fmt.Errorf("the EXTRA section: alert: %w", err))
	case len(alert) > 0:
		return alert, nil
	case len(s.Fallback) > 0:
		return s.Fallback, nil
	}
	return nil, pluginsdk.Permanent(errors.New(
		`nobody to write to: set to in the handler's settings, or {"alert": "name@example.com"} in the checker's EXTRA section; notices about several checkers or a source want the setting to or fallback`))
}

// alertOf reads the member alert of EXTRA; nil where there is none.
func alertOf(extra []byte) (addresses, error) {
	var all map[string]json.RawMessage
	if json.Unmarshal(extra, &all) != nil {
		// EXTRA need not be an object: it is not meant for us then.
		return nil, nil
	}
	raw := all["alert"]
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var a addresses
	err := a.UnmarshalJSON(raw)
	return a, err
}
