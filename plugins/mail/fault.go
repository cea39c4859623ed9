package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"

	"github.com/dwmon/dwmon/pluginsdk"
)

// What is being done before there is a mail.
const (
	greeting = "wait for the greeting"
	hello    = "say hello"
	beginTLS = "begin TLS"
)

// named puts in front of an error whom it is about.
func (s *server) named(err error) error { return fmt.Errorf("mail by %s: %w", s.address, err) }

// codeOf is the code with which a server answered; 0 where it did not.
func codeOf(err error) int {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		return answer.Code
	}
	return 0
}

// words are an error's: those of a server as it wrote them.
func words(err error) string {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		return fmt.Sprintf("%03d %s", answer.Code, answer.Msg)
	}
	return err.Error()
}

// fault makes an error of the SDK's of one that came while something was being done.
// What the server says about a mail, its sender and recipients is for good with a code
// from 500 on; what it says before that is about the settings.
func (s *server) fault(ctx context.Context, doing string, err error) error {
	code := codeOf(err)
	text := s.named(fmt.Errorf("%s: %s", doing, s.quote(words(err))))
	switch {
	case code == 0:
		return s.noAnswer(ctx, doing, err)
	case code == 530, code == 534, code == 535, code == 538:
		return pluginsdk.CredentialsError(fmt.Errorf("%w; look at username, password and auth", text))
	case code < 500:
		return pluginsdk.Retryable(text, 0)
	case doing == greeting, doing == hello, doing == beginTLS:
		return pluginsdk.ConfigError(text)
	default:
		return pluginsdk.Permanent(text)
	}
}

// authFault is fault for the answers to AUTH, all of which from 500 on are about us.
func (s *server) authFault(ctx context.Context, mechanism string, err error) error {
	doing := "authenticate by " + mechanism
	if code := codeOf(err); code >= 500 {
		return pluginsdk.CredentialsError(s.named(fmt.Errorf("%s: %s; look at username, password and auth", doing, s.quote(words(err)))))
	}
	return s.fault(ctx, doing, err)
}

// noAnswer says in words what kept an answer from coming.
func (s *server) noAnswer(ctx context.Context, doing string, err error) error {
	if context.Cause(ctx) == errTimeout {
		return pluginsdk.Retryable(s.named(fmt.Errorf("%s: no answer within %s; raise the setting timeout if the server is that slow", doing, s.settings.Timeout)), 0)
	}
	if over := ctx.Err(); over != nil {
		return s.named(fmt.Errorf("%s: %w", doing, over))
	}
	if text := tlsFault(err); text != "" {
		return pluginsdk.ConfigError(s.named(fmt.Errorf("%s: %s", doing, text)))
	}
	var (
		dns     *net.DNSError
		garbled textproto.ProtocolError
		timeout net.Error
	)
	text := s.quote(words(err))
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		text = fmt.Sprintf("there is no host %s: the name server does not know it", dns.Name)
	case errors.As(err, &garbled):
		text += "; is this an SMTP server, and does it want tls: implicit?"
	case errors.As(err, &timeout) && timeout.Timeout():
		text = fmt.Sprintf("no answer within %s; with tls %s, is %d the right port?", s.settings.Timeout, s.settings.TLS, s.settings.Port)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		text = "the server closed the connection without an answer"
	}
	return pluginsdk.Retryable(s.named(fmt.Errorf("%s: %s", doing, text)), 0)
}

// tlsFault says what is wrong with a certificate or with the port; empty where it is
// something else.
func tlsFault(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown):
		return "the server's certificate is not trusted: no known authority has signed it; name the authority's file in ca_file"
	case errors.As(err, &host):
		return fmt.Sprintf("the server's certificate is for another name: %v; mend host, or set server_name", host)
	case errors.As(err, &invalid):
		return fmt.Sprintf("the server's certificate is not valid: %v", invalid)
	case errors.As(err, &record):
		return "the server does not speak TLS at this port; set tls: starttls, or another port"
	}
	return ""
}

// redactor takes the password out of what a server says, in each form in which it was
// sent.
func redactor(username, password string) *strings.Replacer {
	if password == "" {
		return strings.NewReplacer()
	}
	encoded := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	const hidden = "xxxxx"
	return strings.NewReplacer(
		encoded("\x00"+username+"\x00"+password), hidden,
		encoded("user="+username+"\x01auth=Bearer "+password+"\x01\x01"), hidden,
		encoded(password), hidden,
		password, hidden,
	)
}
