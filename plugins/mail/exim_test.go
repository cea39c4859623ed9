package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/noticetest"
	"github.com/dwmon/dwmon/pluginsdk"
)

// eximConf makes an Exim of a folder of its own. It wants TLS before it offers
// authentication, and authentication before it takes mail, all of which goes into one
// maildir. The verbs are the folder, the port, that of TLS from the first byte on, the
// user, the group, and the user's name and password.
const eximConf = `
primary_hostname = mx.example.com
spool_directory = %[1]s/spool
log_file_path = %[1]s/log/%%slog
pid_file_path = %[1]s/spool/exim.pid
exim_user = %[4]s
exim_group = %[5]s
never_users =
deliver_drop_privilege = true
local_interfaces = 127.0.0.1
daemon_smtp_ports = %[2]d : %[3]d
tls_on_connect_ports = %[3]d
tls_advertise_hosts = *
tls_certificate = %[1]s/cert.pem
tls_privatekey = %[1]s/key.pem
auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}
host_lookup =
keep_environment =
acl_smtp_rcpt = rcpt
acl_smtp_data = accept

begin acl
rcpt:
  deny message = nobody of that name
       local_parts = gone
  defer message = greylisted
       local_parts = later
  accept authenticated = *
  deny message = authenticate first

begin routers
all:
  driver = accept
  transport = maildir

begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = %[1]s/mail
  user = %[4]s
  group = %[5]s
  envelope_to_add
  return_path_add

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{%[6]s}}{eq{$auth3}{%[7]s}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{%[6]s}}{eq{$auth2}{%[7]s}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${if eq{$auth1}{%[6]s}{%[7]s}fail}
  server_set_id = $auth1
`

// exim is a real mail server.
type exim struct {
	dir            string
	port, implicit int
	cert           certificate
}

func startExim(t *testing.T) *exim {
	t.Helper()
	path, err := exec.LookPath("exim4")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/exim4")
	}
	if err != nil {
		if os.Getenv("DWMON_TEST_ALL") == "1" {
			t.Fatalf("NOT TESTED against Exim: %v; install the package exim4-daemon-light", err)
		}
		t.Skipf("NOT TESTED against Exim: %v; install the package exim4-daemon-light", err)
	}
	var said string
	for range 3 { // somebody else may take a port in between
		e, out, ok := bootExim(t, path)
		if ok {
			return e
		}
		said = out
	}
	t.Fatalf("Exim does not start:\n%s", said)
	return nil
}

func bootExim(t *testing.T, path string) (e *exim, said string, ok bool) {
	t.Helper()
	// Not TempDir: below it Exim's user, who is not root, may not go.
	dir, err := os.MkdirTemp("", "dwmon-exim-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	e = &exim{dir: dir, port: freePort(t), implicit: freePort(t), cert: newCertificate(t, "127.0.0.1")}
	as := eximUser(t)
	for _, name := range []string{"spool", "log", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	group, err := user.LookupGroupId(as.Gid)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(eximConf, dir, e.port, e.implicit, as.Username, group.Name, account, password)
	for name, text := range map[string]string{"exim.conf": config, "cert.pem": e.cert.certText, "key.pem": e.cert.keyText} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	give(t, as, dir, "spool", "log", "mail", "cert.pem", "key.pem")
	cmd := exec.CommandContext(t.Context(), path, "-C", filepath.Join(dir, "exim.conf"), "-bdf")
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	if waitFor(within(t, time.Minute), ended, func() bool { return greets(e.port) && greets(e.implicit) }) {
		return e, "", true
	}
	text, _ := os.ReadFile(out.Name())
	return nil, string(text), false
}

// eximUser is who Exim runs as: its own user where the test runs as root, which it
// refuses to deliver as.
func eximUser(t *testing.T) *user.User {
	t.Helper()
	find := user.Current
	if os.Getuid() == 0 {
		find = func() (*user.User, error) { return user.Lookup("Debian-exim") }
	}
	u, err := find()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func give(t *testing.T, u *user.User, dir string, names ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	for _, name := range names {
		if err := os.Chown(filepath.Join(dir, name), uid, gid); err != nil {
			t.Fatal(err)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func greets(port int) bool {
	conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// waitFor asks again and again, until it is true, ended is closed or the time is over.
func waitFor(ctx context.Context, ended <-chan struct{}, is func() bool) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if is() {
			return true
		}
		select {
		case <-ended:
			return false
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func (e *exim) settings() map[string]any {
	return map[string]any{
		"host": "127.0.0.1", "port": e.port, "ca_file": e.cert.certFile, "username": account, "password": password,
		"from": "dwmon <dwmon@example.com>", "timeout": "30s",
	}
}

// delivered are the mails in the maildir, by recipient, once there are n.
func (e *exim) delivered(t *testing.T, n int) map[string]string {
	t.Helper()
	var files []string
	waitFor(within(t, time.Minute), nil, func() bool {
		files, _ = filepath.Glob(filepath.Join(e.dir, "mail", "new", "*"))
		return len(files) >= n
	})
	mails := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, to, _ := strings.Cut(string(text), "Envelope-to: ")
		to, _, _ = strings.Cut(to, "\n")
		mails[to] = string(text)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if len(mails) != n {
		log, _ := os.ReadFile(filepath.Join(e.dir, "log", "mainlog"))
		t.Fatalf("%d mails, want %d\n%s", len(mails), n, log)
	}
	return mails
}

func TestExim(t *testing.T) {
	e := startExim(t)
	for _, c := range []struct {
		name    string
		changes []any
		log     string // what Exim notes of the mail
	}{
		{"STARTTLS, AUTH PLAIN", nil, "A=plain:dwmon"},
		{"STARTTLS, AUTH LOGIN", []any{"auth", "login"}, "A=login:dwmon"},
		{"STARTTLS, AUTH CRAM-MD5", []any{"auth", "cram-md5"}, "A=cram:dwmon"},
		{"TLS from the first byte on", []any{"port", e.implicit, "tls", "implicit"}, "A=plain:dwmon"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := mustStart(t, with(e.settings(), append(c.changes, "to", "Zoë Größe <ops@example.com>", "cc", "boss@example.com")...))
			if err := h.health(t.Context()); err != nil {
				t.Fatal(err)
			}
			n := noticetest.OpenedLow()
			n.Summary = "shop/größe: 4 rows, fewer than 5"
			if err := h.HandleNotice(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			mails := e.delivered(t, 2)
			if mails["boss@example.com"] == "" {
				t.Error(mails)
			}
			header, text, html := parts(t, mails["ops@example.com"])
			if got := decoded(t, header, "Subject"); got != "[BAD] "+n.Summary {
				t.Error(got)
			}
			if got := header.Get("Return-Path"); got != "<dwmon@example.com>" {
				t.Error(got)
			}
			if !strings.Contains(text, "▇▆█") || !strings.Contains(html, "shop/größe") {
				t.Error(text, html)
			}
			log, err := os.ReadFile(filepath.Join(e.dir, "log", "mainlog"))
			if err != nil || !strings.Contains(string(log), c.log) || !strings.Contains(string(log), "P=esmtpsa") {
				t.Error(err, string(log))
			}
		})
	}
}

func TestEximRefuses(t *testing.T) {
	e := startExim(t)
	for _, c := range []struct {
		name    string
		changes []any
		class   pluginsdk.Class
		text    string
	}{
		{"the password", []any{"password", "wr0ng-pass"}, pluginsdk.ClassCredentials, "535 Incorrect authentication data"},
		{"a stranger", []any{"username", "", "password", ""}, pluginsdk.ClassPermanent, "550 authenticate first"},
		{"without TLS", []any{"tls", "none", "auth", "cram-md5"}, pluginsdk.ClassConfig, "it offers none"},
		{"an unknown recipient", []any{"to", "gone@example.com"}, pluginsdk.ClassPermanent, "550 nobody of that name"},
		{"greylisting", []any{"to", "later@example.com"}, pluginsdk.ClassRetryable, "451 greylisted"},
		{"a foreign certificate", []any{"ca_file", ""}, pluginsdk.ClassConfig, "certificate is not trusted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := mustStart(t, with(e.settings(), c.changes...))
			err := h.HandleNotice(t.Context(), noticetest.OpenedLow())
			if pluginsdk.ClassOf(err) != c.class || !strings.Contains(fmt.Sprint(err), c.text) {
				t.Errorf("%s: %v", pluginsdk.ClassOf(err), err)
			}
		})
	}
	h := mustStart(t, with(e.settings(), "to", "gone@example.com, ops@example.com"))
	if err := h.HandleNotice(t.Context(), noticetest.SourceDown()); err != nil {
		t.Fatal(err)
	}
	if mails := e.delivered(t, 1); mails["ops@example.com"] == "" {
		t.Error(mails)
	}
}
