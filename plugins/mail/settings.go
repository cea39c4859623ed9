package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

type settings struct {
	Host          string             `json:"host" required:"true" doc:"the SMTP server"`
	Port          int                `json:"port" doc:"default: 587 with tls starttls, 465 with implicit, else 25"`
	Username      string             `json:"username" doc:"left empty: no authentication"`
	Password      string             `json:"password" secret:"true" doc:"or, with auth xoauth2, the token"`
	Auth          string             `json:"auth" doc:"auto, plain, login, cram-md5, scram-sha-1, scram-sha-256 or xoauth2"`
	TLS           string             `json:"tls" doc:"starttls (must be offered), implicit (from the first byte on), opportunistic (where it is offered) or none"`
	CAFile        string             `json:"ca_file" doc:"certificates to trust instead of the system's, PEM"`
	ServerName    string             `json:"server_name" doc:"name to expect in the server's certificate instead of host"`
	From          sender             `json:"from" required:"true" doc:"such as dwmon <dwmon@example.com>"`
	To            addresses          `json:"to" doc:"a list or a text; left empty: those that a checker's EXTRA names under alert"`
	Fallback      addresses          `json:"fallback" doc:"recipients where to is empty and no EXTRA names any, as of a source that is down"`
	Cc            addresses          `json:"cc" doc:"a list or a text"`
	ReplyTo       sender             `json:"reply_to" doc:"where answers go"`
	SubjectPrefix string             `json:"subject_prefix" doc:"put in front of every subject, such as [production]"`
	Timeout       pluginsdk.Duration `json:"timeout" doc:"for one mail, from connecting to the server's yes"`
	Hello         string             `json:"hello" doc:"our name towards the server; default: the machine's"`
}

var defaults = settings{Auth: "auto", TLS: "starttls", Timeout: pluginsdk.Duration(8 * time.Second)}

// The ways in which a connection is made private.
const (
	tlsStart         = "starttls"
	tlsImplicit      = "implicit"
	tlsOpportunistic = "opportunistic"
	tlsNone          = "none"
)

var ports = map[string]int{tlsStart: 587, tlsImplicit: 465, tlsOpportunistic: 25, tlsNone: 25}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9._:\[\]-]+$`)

// check fills in what hangs on other settings, and says all that is wrong.
func (s *settings) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !hostForm.MatchString(s.Host) {
		fault("host: want a name such as smtp.example.com; the port has a setting of its own")
	} else if _, _, err := net.SplitHostPort(s.Host); err == nil {
		fault("host: %s holds a port: set port instead", s.Host)
	}
	if _, ok := ports[s.TLS]; !ok {
		fault("tls: want starttls, implicit, opportunistic or none")
	}
	if s.Port == 0 {
		s.Port = ports[s.TLS]
	}
	if s.Port < 0 || s.Port > 65535 {
		fault("port is %d: want 1 to 65535", s.Port)
	}
	s.Auth = strings.ToLower(s.Auth)
	m, known := mechanisms[s.Auth]
	switch {
	case !known && s.Auth != "auto":
		fault("auth: want auto, plain, login, cram-md5, scram-sha-1, scram-sha-256 or xoauth2")
	case (s.Username == "") != (s.Password == ""):
		fault("username and password belong together; one of them is missing")
	case s.Username != "" && m.readable && s.TLS == tlsNone && !isLoopback(s.Host):
		fault("auth %s without TLS would send the password where others can read it: set tls, or auth: cram-md5", s.Auth)
	}
	if s.From.address() == nil {
		fault("from is missing: set it under settings")
	}
	s.Hello = cmp.Or(s.Hello, machine())
	if !hostForm.MatchString(s.Hello) {
		fault("hello: want a host's name")
	}
	if s.Timeout <= 0 {
		fault("timeout must be above 0")
	}
	return errors.Join(faults...)
}

// machine is our own name, for servers that want to hear one.
func machine() string {
	if name, err := os.Hostname(); err == nil && hostForm.MatchString(name) {
		return name
	}
	return "localhost"
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
