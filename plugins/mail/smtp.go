package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/dwmon/dwmon/pluginsdk"
)

// server is where mail is handed in. The conversation is led here rather than by
// go-mail's own client, which keeps a mail from all recipients when the server refuses
// one of them, reports a mail as failed that was taken when what follows it fails, and
// leaves connections open that fail before they are ready.
type server struct {
	settings *settings
	address  string
	tls      *tls.Config
	secrets  *strings.Replacer
}

func newServer(s *settings) (*server, error) {
	host := strings.Trim(s.Host, "[]")
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if s.ServerName != "" {
		config.ServerName = s.ServerName
	}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM form", s.CAFile)
		}
	}
	return &server{settings: s, address: net.JoinHostPort(host, strconv.Itoa(s.Port)), tls: config, secrets: redactor(s.Username, s.Password)}, nil
}

// session is one connection, ready for a mail.
type session struct {
	server *server
	conn   net.Conn
	client *smtp.Client
	// private says that nobody on the way can read along.
	private bool
	stop    func() bool
}

// open connects, makes the connection private and says who we are. The deadline is
// for all of the conversation.
func (s *server) open(ctx context.Context) (*session, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, s.fault(ctx, "connect", err)
	}
	if d, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(d)
	}
	c := &session{server: s, conn: conn, stop: context.AfterFunc(ctx, func() { conn.Close() })}
	if err := c.begin(ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *session) close() {
	c.stop()
	c.conn.Close()
}

func (c *session) begin(ctx context.Context) (err error) {
	s := c.server
	conn := c.conn
	if s.settings.TLS == tlsImplicit {
		secure := tls.Client(conn, s.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			return s.fault(ctx, beginTLS, err)
		}
		conn, c.private = secure, true
	}
	if c.client, err = smtp.NewClient(conn, s.settings.Host); err != nil {
		return s.fault(ctx, greeting, err)
	}
	if err := c.client.Hello(s.settings.Hello); err != nil {
		return s.fault(ctx, hello, err)
	}
	if err := c.startTLS(ctx); err != nil {
		return err
	}
	return c.authenticate(ctx)
}

func (c *session) startTLS(ctx context.Context) error {
	s := c.server
	offered, _ := c.client.Extension("STARTTLS")
	switch {
	case s.settings.TLS == tlsImplicit, s.settings.TLS == tlsNone, s.settings.TLS == tlsOpportunistic && !offered:
		return nil
	case !offered:
		return pluginsdk.ConfigError(s.named(errors.New("the server does not offer STARTTLS; set tls to implicit where it speaks TLS from the first byte on, or to none where nobody can read along")))
	}
	if err := c.client.StartTLS(s.tls); err != nil {
		return s.fault(ctx, beginTLS, err)
	}
	c.private = true
	return nil
}

// mechanism is a way to say who we are.
type mechanism struct {
	name string // as servers offer it
	// readable: whoever reads along has the password then.
	readable bool
	make     func(s *settings) smtp.Auth
}

var mechanisms = map[string]mechanism{
	"scram-sha-256": {"SCRAM-SHA-256", false, func(s *settings) smtp.Auth { return smtp.ScramSHA256Auth(s.Username, s.Password) }},
	"scram-sha-1":   {"SCRAM-SHA-1", false, func(s *settings) smtp.Auth { return smtp.ScramSHA1Auth(s.Username, s.Password) }},
	"cram-md5":      {"CRAM-MD5", false, func(s *settings) smtp.Auth { return smtp.CRAMMD5Auth(s.Username, s.Password) }},
	"plain":         {"PLAIN", true, func(s *settings) smtp.Auth { return smtp.PlainAuth("", s.Username, s.Password, s.Host, true) }},
	"login":         {"LOGIN", true, func(s *settings) smtp.Auth { return smtp.LoginAuth(s.Username, s.Password, s.Host, true) }},
	"xoauth2":       {"XOAUTH2", true, func(s *settings) smtp.Auth { return smtp.XOAuth2Auth(s.Username, s.Password) }},
}

// preferred is the order in which auto looks for a mechanism. With TLS the plain ones
// go first: they work with passwords that a server keeps hashed.
var preferred = map[bool][]string{
	true:  {"plain", "login", "scram-sha-256", "scram-sha-1", "cram-md5"},
	false: {"scram-sha-256", "scram-sha-1", "cram-md5"},
}

func (c *session) authenticate(ctx context.Context) error {
	s := c.server
	if s.settings.Username == "" {
		return nil
	}
	_, offered := c.client.Extension("AUTH")
	m, err := s.settings.mechanism(strings.Fields(strings.ToUpper(offered)), c.private)
	if err != nil {
		return pluginsdk.ConfigError(s.named(err))
	}
	if err := c.client.Auth(m.make(s.settings)); err != nil {
		return s.authFault(ctx, m.name, err)
	}
	return nil
}

// mechanism picks one of those offered that does not give the password away.
func (s *settings) mechanism(offered []string, private bool) (mechanism, error) {
	safe := private || isLoopback(s.Host)
	names := preferred[safe]
	if s.Auth != "auto" {
		names = []string{s.Auth}
	}
	for _, name := range names {
		if m := mechanisms[name]; slices.Contains(offered, m.name) && (safe || !m.readable) {
			return m, nil
		}
	}
	what := "none"
	if len(offered) > 0 {
		what = strings.Join(offered, ", ")
	}
	remedy := "leave username out where none is wanted, or set auth"
	if !safe {
		remedy = "without TLS none is used that shows the password; set tls"
	}
	return mechanism{}, fmt.Errorf("the server offers no authentication that can be used (auth: %s; it offers %s): %s", s.Auth, what, remedy)
}

// delivery is what became of a mail that was taken for at least one recipient.
type delivery struct {
	receipt string
	taken   []string
	// refused and later say of recipients why not: for good, or for now.
	refused, later []string
}

// deliver hands in a mail for the recipients. An error: it was taken for none.
func (s *server) deliver(ctx context.Context, msg *mail.Msg, from string, to []string) (*delivery, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.settings.Timeout.Std(), errTimeout)
	defer cancel()
	c, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	d, err := c.transact(ctx, msg, from, to)
	if ctx.Err() == nil {
		_ = c.client.Quit() // what comes of it changes nothing
	}
	return d, err
}

var errTimeout = errors.New("the time for one mail is over")

func (c *session) transact(ctx context.Context, msg *mail.Msg, from string, to []string) (*delivery, error) {
	s := c.server
	// A server that is told SMTPUTF8 may bounce the mail at the next one that does not
	// know it, even where nothing in it needs that.
	c.client.SkipSMTPUTF8(isASCII(from) && !slices.ContainsFunc(to, func(a string) bool { return !isASCII(a) }))
	if err := c.client.Mail("<" + from + ">"); err != nil {
		return nil, s.fault(ctx, "name the sender "+from, err)
	}
	d, err := c.recipients(ctx, to)
	if err != nil {
		return nil, err
	}
	w, err := c.client.Data()
	if err != nil {
		return nil, s.fault(ctx, "begin the mail", err)
	}
	if _, err := msg.WriteTo(w); err != nil {
		return nil, s.fault(ctx, "send the mail", err)
	}
	if err := w.Close(); err != nil {
		return nil, s.fault(ctx, "end the mail", err)
	}
	d.receipt = "taken"
	if dc, ok := w.(*smtp.DataCloser); ok {
		d.receipt = s.quote(dc.ServerResponse())
	}
	return d, nil
}

// recipients names them all. Without one that is taken there is an error, which can
// be tried again if any of them can.
func (c *session) recipients(ctx context.Context, to []string) (*delivery, error) {
	d := &delivery{}
	var worst error
	for _, r := range to {
		err := c.client.Rcpt("<" + r + ">")
		if err == nil {
			d.taken = append(d.taken, r)
			continue
		}
		why := c.server.fault(ctx, "name the recipient "+r, err)
		if c.broken(err) {
			return nil, why
		}
		if text := r + ": " + c.server.quote(words(err)); pluginsdk.ClassOf(why) == pluginsdk.ClassPermanent {
			d.refused = append(d.refused, text)
		} else {
			d.later = append(d.later, text)
			worst = why
		}
		if worst == nil {
			worst = why
		}
	}
	if len(d.taken) == 0 {
		return nil, worst
	}
	return d, nil
}

// broken says that an error ends the conversation.
func (c *session) broken(err error) bool {
	code := codeOf(err)
	return code == 0 || code == 421
}

// try goes as far as a mail would, and sends none.
func (s *server) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.settings.Timeout.Std(), errTimeout)
	defer cancel()
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.client.Noop(); err != nil {
		return s.fault(ctx, "ask for a sign of life", err)
	}
	_ = c.client.Quit()
	return nil
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > 0x7e })
}

// quote is a text of the server's on one line, without secrets.
func (s *server) quote(text string) string {
	const most = 300
	text = strings.ToValidUTF8(s.secrets.Replace(headerText(text)), "\uFFFD")
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return text
}
