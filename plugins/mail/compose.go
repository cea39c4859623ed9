package main

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/wneessen/go-mail"

	"github.com/dwmon/dwmon/plugins/internal/message"
	"github.com/dwmon/dwmon/pluginsdk"
)

// compose writes the mail of a message. The same message makes the same mail, byte
// for byte.
func (s *settings) compose(m *message.Message, to addresses) (*mail.Msg, error) {
	html, err := htmlOf(m)
	if err != nil {
		return nil, err
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithBoundary(idOf("boundary", m.Key)))
	from := s.From.address()
	msg.FromMailAddress(from)
	msg.ToMailAddress(to...)
	msg.CcMailAddress(s.Cc...)
	if a := s.ReplyTo.address(); a != nil {
		msg.ReplyToMailAddress(a)
	}
	msg.Subject(s.subject(m))
	msg.SetDateWithValue(m.Created.UTC())
	s.thread(msg, m, domainOf(from.Address))
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Auto-Response-Suppress", "All") // Exchange's name for the same wish
	msg.SetUserAgent("dwmon-mail/" + version)
	for name, value := range map[mail.Header]string{
		"X-Dwmon-State": m.Word, "X-Dwmon-Notice": string(m.Kind), "X-Dwmon-Checker": m.Checker, "X-Dwmon-Incident": m.Incident,
	} {
		if value = headerText(value); value != "" {
			msg.SetGenHeader(name, value)
		}
	}
	msg.SetBodyString(mail.TypeTextPlain, textOf(m))
	msg.AddAlternativeString(mail.TypeTextHTML, html)
	return msg, nil
}

// maxSubject is as much of a subject as anybody reads, in bytes.
const maxSubject = 250

func (s *settings) subject(m *message.Message) string {
	return message.Shorten(headerText(s.SubjectPrefix+" "+m.Title()), maxSubject)
}

// headerText keeps a value on its line. Names come from checker files.
func headerText(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)), " ")
}

// thread gives the mail its name, which hangs on the idempotency key, so that mail
// programs know a redelivery, and hangs it below its incident, so that a recovery
// stands by its alert. The incident's own name is that of no mail: whichever mail of
// it comes first begins the thread.
func (s *settings) thread(msg *mail.Msg, m *message.Message, domain string) {
	msg.SetMessageIDWithValue(idOf("key", m.Key) + "@" + domain)
	if m.Incident == "" {
		return
	}
	root := "<" + idOf("incident", m.Incident) + "@" + domain + ">"
	msg.SetGenHeader(mail.HeaderReferences, root)
	if m.Kind != pluginsdk.NoticeOpened {
		msg.SetGenHeader(mail.HeaderInReplyTo, root)
	}
}

// idOf makes a name for a header of any text.
func idOf(of, text string) string {
	sum := sha256.Sum256([]byte("dwmon " + of + "\x00" + text))
	return "dwmon." + hex.EncodeToString(sum[:16])
}

// domainOf is the part of an address behind the @, if it may stand in a Message-ID.
func domainOf(address string) string {
	domain := address[strings.LastIndexByte(address, '@')+1:]
	if !hostForm.MatchString(domain) {
		return "dwmon.invalid"
	}
	return strings.ToLower(domain)
}

// textOf is the mail for those who do not read HTML.
func textOf(m *message.Message) string {
	text := m.Title() + "\n\n" + m.Text() + "\n"
	if f := footer(m); f != "" {
		text += "\n-- \n" + f + "\n"
	}
	return text
}

// footer says where the mail comes from.
func footer(m *message.Message) string {
	parts := []string{"dwmon"}
	if m.Checker != "" {
		parts = append(parts, "checker "+headerText(m.Checker))
	}
	if m.Incident != "" {
		parts = append(parts, "incident "+headerText(m.Incident))
	}
	return strings.Join(parts, ", ")
}
