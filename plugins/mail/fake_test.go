package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	account  = "dwmon"
	password = "s3cr3t-pass"
)

// certificate is one for 127.0.0.1, and the file of whoever trusts it.
type certificate struct {
	pair               tls.Certificate
	certFile, certText string
	keyText            string
}

func newCertificate(t *testing.T, name string) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{name},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.DNSNames, template.IPAddresses = nil, []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := certificate{
		certFile: filepath.Join(t.TempDir(), "cert.pem"),
		certText: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		keyText:  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
	}
	if c.pair, err = tls.X509KeyPair([]byte(c.certText), []byte(c.keyText)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.certFile, []byte(c.certText), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// fake is an SMTP server that keeps to the letter of RFC 5321: what a client must not
// do ends the test. say replaces its answers, by command: "MAIL": "451 later"; an
// answer "-" hangs up, and "…" says nothing.
type fake struct {
	t        *testing.T
	listener net.Listener
	cert     certificate
	implicit bool
	offers   []string // extensions
	say      map[string]string

	mu    sync.Mutex
	mails []taken
	heard []string // all commands
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// taken is a mail that the fake has said yes to.
type taken struct {
	from string
	to   []string
	text string
}

func newFake(t *testing.T, change func(*fake)) *fake {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, listener: l, cert: newCertificate(t, "127.0.0.1"), offers: []string{"STARTTLS", "AUTH PLAIN LOGIN CRAM-MD5", "8BITMIME", "SMTPUTF8"}, say: map[string]string{}, conns: map[net.Conn]bool{}}
	if change != nil {
		change(f)
	}
	f.wg.Go(f.serve)
	t.Cleanup(func() {
		l.Close()
		f.mu.Lock()
		for c := range f.conns {
			c.Close()
		}
		f.mu.Unlock()
		f.wg.Wait()
	})
	return f
}

// settings lead to the fake.
func (f *fake) settings() map[string]any {
	return map[string]any{
		"host": "127.0.0.1", "port": f.listener.Addr().(*net.TCPAddr).Port, "ca_file": f.cert.certFile, "hello": "mon.example.com",
		"username": account, "password": password, "from": "dwmon <dwmon@example.com>",
	}
}

func (f *fake) serve() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns[conn] = true
		f.mu.Unlock()
		f.wg.Go(func() {
			defer conn.Close()
			f.talk(conn)
		})
	}
}

// dialogue is one connection's state.
type dialogue struct {
	f       *fake
	conn    net.Conn
	in      *bufio.Reader
	private bool
	known   bool
	hello   bool
	mail    *taken
}

func (f *fake) talk(conn net.Conn) {
	d := &dialogue{f: f, conn: conn, in: bufio.NewReader(conn)}
	if f.implicit && !d.encrypt() {
		return
	}
	if !d.answer("GREETING", "220 mx.example.com ESMTP") {
		return
	}
	for {
		line, err := d.in.ReadString('\n')
		if err != nil {
			return
		}
		if line[0] == 0x16 {
			return // the beginning of TLS
		}
		text, ok := strings.CutSuffix(line, "\r\n")
		if !ok || len(line) > 512 || strings.ContainsAny(text, "\r\n\x00") {
			f.t.Errorf("a line that is none: %q", line)
			return
		}
		f.mu.Lock()
		f.heard = append(f.heard, text)
		f.mu.Unlock()
		if !d.command(text) {
			return
		}
	}
}

func (d *dialogue) encrypt() bool {
	secure := tls.Server(d.conn, &tls.Config{Certificates: []tls.Certificate{d.f.cert.pair}})
	if secure.Handshake() != nil {
		return false
	}
	d.conn, d.in, d.private, d.hello = secure, bufio.NewReader(secure), true, false
	return true
}

// answer says what say holds for a command, else the text; false ends the dialogue.
func (d *dialogue) answer(command, text string) bool {
	if own, ok := d.own(command); ok {
		text = own
	}
	switch text {
	case "-":
		return false
	case "…":
		_, _ = d.in.ReadByte() // until the client hangs up
		return false
	}
	_, err := fmt.Fprintf(d.conn, "%s\r\n", text)
	return err == nil
}

// own is what say holds for a command with its argument, or for the command.
func (d *dialogue) own(command string) (string, bool) {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	if own, ok := d.f.say[command]; ok {
		return own, true
	}
	own, ok := d.f.say[strings.Fields(command)[0]]
	return own, ok
}

func (d *dialogue) refuses(command string) bool {
	own, ok := d.own(command)
	return ok && own[0] != '2' && own[0] != '3'
}

func (d *dialogue) command(text string) bool {
	verb, rest, _ := strings.Cut(text, " ")
	verb = strings.ToUpper(verb)
	switch verb {
	case "EHLO":
		d.hello = true
		return d.answer("EHLO", strings.Join(append([]string{"250-mx.example.com"}, d.extensions()...), "\r\n"))
	case "NOOP", "RSET":
		return d.answer(verb, "250 ok")
	case "*": // ends an authentication that has failed
		return d.answer("*", "501 5.0.0 cancelled")
	case "QUIT":
		_ = d.answer("QUIT", "221 bye")
		return false
	case "STARTTLS":
		return d.answer("STARTTLS", "220 go ahead") && !d.refuses("STARTTLS") && d.encrypt()
	case "AUTH":
		return d.auth(rest)
	case "MAIL":
		from, ok := strings.CutPrefix(rest, "FROM:<")
		from, params, ok2 := strings.Cut(from, ">")
		switch {
		case !ok || !ok2 || !d.hello || d.mail != nil:
			d.f.t.Errorf("out of order, or no sender: %q", text)
			return false
		case !d.known && !d.refuses("MAIL"):
			return d.answer("UNKNOWN", "530 5.7.0 authentication required")
		case strings.Contains(params, "SMTPUTF8") && isASCII(from):
			d.f.t.Errorf("SMTPUTF8 for nothing: %q", text)
		}
		if !d.refuses("MAIL") {
			d.mail = &taken{from: from}
		}
		return d.answer("MAIL", "250 ok")
	case "RCPT":
		to := strings.TrimSuffix(strings.TrimPrefix(rest, "TO:<"), ">")
		if d.mail == nil {
			d.f.t.Errorf("out of order: %q", text)
			return false
		}
		if !d.refuses("RCPT " + to) {
			d.mail.to = append(d.mail.to, to)
		}
		return d.answer("RCPT "+to, "250 ok")
	case "DATA":
		return d.data()
	}
	d.f.t.Errorf("an unknown command: %q", text)
	return false
}

func (d *dialogue) extensions() []string {
	var lines []string
	for _, e := range d.f.offers {
		if e == "STARTTLS" && d.private {
			continue
		}
		lines = append(lines, "250-"+e)
	}
	return append(lines, "250 HELP")
}

func (d *dialogue) auth(rest string) bool {
	mechanism, initial, _ := strings.Cut(rest, " ")
	if mechanism == "LOGIN" {
		for _, prompt := range []string{"Username:", "Password:"} {
			fmt.Fprintf(d.conn, "334 %s\r\n", base64.StdEncoding.EncodeToString([]byte(prompt)))
			line, _ := d.in.ReadString('\n')
			raw, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
			initial += "\x00" + string(raw)
		}
		initial = base64.StdEncoding.EncodeToString([]byte(initial))
	}
	if raw, _ := base64.StdEncoding.DecodeString(initial); string(raw) != "\x00"+account+"\x00"+password {
		// Some servers repeat what they were sent.
		return d.answer("AUTH", "535 5.7.8 wrong: "+initial+" "+string(raw[strings.LastIndexByte(string(raw), 0)+1:]))
	}
	d.known = !d.refuses("AUTH")
	return d.answer("AUTH", "235 2.7.0 welcome")
}

func (d *dialogue) data() bool {
	if d.mail == nil || len(d.mail.to) == 0 {
		d.f.t.Error("DATA without a recipient")
		return false
	}
	if d.refuses("DATA") {
		return d.answer("DATA", "")
	}
	if !d.answer("DATA", "354 go ahead") {
		return false
	}
	var text strings.Builder
	for {
		line, err := d.in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		if !strings.HasSuffix(line, "\r\n") || len(line) > 1000 || !isASCII(strings.TrimRight(line, "\r\n")) {
			d.f.t.Errorf("a line of a mail that is none: %q", line)
		}
		text.WriteString(strings.TrimPrefix(line, "."))
	}
	d.mail.text = text.String()
	if !d.refuses("END") {
		d.f.mu.Lock()
		d.f.mails = append(d.f.mails, *d.mail)
		n := len(d.f.mails)
		d.f.mu.Unlock()
		d.mail = nil
		return d.answer("END", "250 2.0.0 queued as "+strconv.Itoa(n))
	}
	d.mail = nil
	return d.answer("END", "")
}

// taken gives the mails that the fake has said yes to.
func (f *fake) taken() []taken {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]taken(nil), f.mails...)
}
