package endtoend

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// planted are the secrets by where they stand; what is searched for is the middle of
// each, which no escaping changes.
var planted = map[string]string{
	"the environment, named in settings":     `tok-5ecre7a0001-"&% x`,
	"the environment, named by nobody":       "amb-5ecre7a0002-x",
	"a file, named in settings":              "pw-5ecre7a0003-é/+",
	"a DSN's password in dwmon.yaml":         "dsn-5ecre7a0004-x",
	"a secret setting written in dwmon.yaml": "inl-5ecre7a0005-x",
	"the password of a SOURCE that is a URL": "src-5ecre7a0006-x",
	"a handler's setting":                    "hnd-5ecre7a0007-x",
	"the URL of the heartbeat":               "beat-5ecre7a0008-x",
	"the variable that a plugin may have":    "side-5ecre7a0009-x",
	"a file of several lines":                "key-5ecre7a0010-x",
	"a header in a mapping of settings":      "hdr-5ecre7a0011-x",
	"a file that replaced another at reload": "new-5ecre7a0012-x",
	"a purger's setting":                     "prg-5ecre7a0013-x",
	"settings given to dwmon plugin test":    "tst-5ecre7a0014-x",
}

// middle is the part that is searched for.
func middle(secret string) string { return strings.Split(secret, "-")[1] }

// whole are the places at which a secret may be found: where somebody has put it.
func mayHold(where, path string) bool {
	switch where {
	case "the password of a SOURCE that is a URL":
		// The texts of checkers are kept in the database (SPEC 1), and with them what
		// stands there in the open: docs/security.md says so.
		return strings.HasPrefix(path, "checks/") || strings.HasPrefix(path, "dwmon.db") || path == "copy.db"
	case "a DSN's password in dwmon.yaml", "a secret setting written in dwmon.yaml":
		return path == "dwmon.yaml"
	}
	return strings.HasPrefix(path, "secret-")
}

// leaks searches a text for secrets, also as base64 has them.
func leaks(text []byte, skip func(where string) bool) (found []string) {
	for where, secret := range planted {
		if skip != nil && skip(where) {
			continue
		}
		for _, form := range []string{middle(secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
			if at := bytes.Index(text, []byte(form)); at >= 0 {
				found = append(found, fmt.Sprintf("%s: …%q…", where, text[max(0, at-120):min(len(text), at+60)]))
			}
		}
	}
	return found
}

func secretsConfig(token string) string {
	return `timezone: UTC
listen: 127.0.0.1:0
spread: 0s
heartbeat: {url: "http://127.0.0.1:9/${BEAT}"}
purger: {plugin: blabber, settings: {token: "${PURGER_TOKEN}"}}
sources:
  WELL: {getter: blabber, settings: {token: "${` + token + `}", password: "${file:secret-password}", how: well}}
  URLS: {getter: blabber, settings: {dsn: "postgres://dwmon:` + planted["a DSN's password in dwmon.yaml"] + `@127.0.0.1/db", token: ` + planted["a secret setting written in dwmon.yaml"] + `}}
  KEYS: {getter: blabber, settings: {password: "${file:secret-key}", headers: {Authorization: "Bearer ${HEADER}"}}}
  CONF: {getter: blabber, settings: {how: config, token: "${TOKEN}"}}
handlers:
  - {name: failing, plugin: blabber, on: every, settings: {how: fail, token: "${HANDLER_TOKEN}"}}
  - {name: panicking, plugin: blabber, on: every, settings: {how: panic, token: "${HANDLER_TOKEN}"}}
`
}

// TestSecretsStayInside plants a secret wherever there may be one, has plugins tell all
// that they know in every way they can, runs whatever prints, and searches each byte of
// output, logs, pages, and files for them.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "blabber")
	w.write("secret-password", planted["a file, named in settings"]+"\n")
	w.write("secret-key", "-----BEGIN KEY-----\n"+planted["a file of several lines"]+"\nmore of it, 0123456789\n-----END KEY-----\n")
	w.write("secret-new", planted["a file that replaced another at reload"]+"\n")
	w.write("secret-settings", `{"token": "`+planted["settings given to dwmon plugin test"]+`"}`)
	w.write("plugins/blabber.json", `{"env": ["SIDE_TOKEN"]}`)
	w.write("dwmon.yaml", secretsConfig("TOKEN"))
	password := url.QueryEscape(planted["the password of a SOURCE that is a URL"])
	for _, how := range []string{"well", "fail", "refuse", "credentials", "panic", "crash"} {
		for source, name := range map[string]string{"WELL": "env", "URLS": "dsn", "KEYS": "keys", "blabber://dwmon:" + password + "@127.0.0.1/db?password=" + password: "url"} {
			w.checker(name+"_"+how, how, every, source)
		}
	}
	w.checker("conf", "well", every, "CONF")
	w.extra = []string{
		"TOKEN=" + planted["the environment, named in settings"], "AMBIENT_PASSWORD=" + planted["the environment, named by nobody"],
		"HANDLER_TOKEN=" + planted["a handler's setting"], "BEAT=" + planted["the URL of the heartbeat"], "HEADER=" + planted["a header in a mapping of settings"],
		"SIDE_TOKEN=" + planted["the variable that a plugin may have"], "PURGER_TOKEN=" + planted["a purger's setting"],
	}
	judge := func(what string, texts ...string) {
		t.Helper()
		for _, found := range leaks([]byte(strings.Join(texts, "\n")), nil) {
			t.Errorf("%s shows %s", what, found)
		}
	}
	command := func(args ...string) {
		t.Helper()
		o := w.run(args...)
		judge("dwmon "+strings.Join(args, " "), o.out, o.err)
		if len(o.out)+len(o.err) == 0 {
			t.Errorf("dwmon %s prints nothing: that shows nothing", strings.Join(args, " "))
		}
	}

	s := w.start("--log-level", "debug")
	address := s.up()
	w.await("all have been asked", func() bool {
		all := w.status()
		for _, c := range all {
			if c.State == "PENDING" {
				return false
			}
		}
		return len(all) == 25
	})
	w.await("the handlers have failed", func() bool {
		return slices.ContainsFunc(w.deliveries(), func(d waits) bool { return d.Handler == "failing" && d.Attempts > 0 })
	})
	pages := func() {
		for _, page := range []string{"/healthz", "/readyz", "/metrics", "/"} {
			_, text := get(context.Background(), t, "http://"+address+page)
			judge("page "+page, text)
		}
	}
	pages()
	command("plugin", "list", "--json", "--all")
	command("plugin", "list")

	// Rotated: the old secret is none that dwmon need not keep to itself any more.
	w.write("dwmon.yaml", strings.Replace(secretsConfig("TOKEN"), `"${TOKEN}", password: "${file:secret-password}"`, `"${file:secret-new}"`, 1))
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	w.await("it has reloaded", func() bool { _, ok := s.logged("dwmon has reloaded"); return ok })
	w.await("a call under the new settings has ended", func() bool { return strings.Contains(strings.Join(afterReload(s.lines()), "\n"), "panic with") })
	pages()

	for _, args := range [][]string{
		{"status"},
		{"status", "--json"},
		{"history", "--json"},
		{"history", "env_well"},
		{"slow"},
		{"slow", "--json"},
		{"deliveries"},
		{"deliveries", "--json"},
		{"incidents"},
		{"doctor", "--all"},
		{"doctor", "--json", "--sources"},
		{"validate"},
		{"validate", "--format", "sarif"},
		{"histogram", "env_well"},
		{"plugin", "verify"},
		{"plugin", "verify", "--json"},
		{"plugin", "describe", "blabber"},
		{"plugin", "describe", "blabber", "--json"},
		{"plugin", "test", "blabber", "--settings", "secret-settings", "--checker", "checks/env_fail.dwmon"},
		{"plugin", "test", "blabber", "--checker", "checks/url_refuse.dwmon", "--json"},
		{"alert", "preview", "url_well"},
		{"suggest", "env_well"},
		{"backtest", "env_well"},
		{"alert", "test", "failing"},
		{"backup", "copy.db"},
	} {
		command(args...)
	}
	for _, name := range []string{"env", "dsn", "url", "keys"} {
		for _, how := range []string{"well", "fail", "refuse", "credentials", "panic", "crash"} {
			command("try", "checks/"+name+"_"+how+".dwmon")
		}
		command("try", "checks/"+name+"_fail.dwmon", "--json")
		command("explain", name+"_fail")
		command("explain", name+"_well", "--json")
	}
	command("try", "checks/conf.dwmon")
	s.stop()
	judge("the daemon's log", s.lines()...)
	if text := strings.Join(s.lines(), "\n"); !strings.Contains(text, "crash with") || !strings.Contains(text, "structured") || strings.Count(text, "[redacted]") < 50 {
		t.Error("the plugins have told the log nothing: the search shows nothing")
	}
	command("once", "--log-level", "debug")

	// What is wrong with the configuration is said without what stands in it.
	for _, bad := range []string{
		strings.Replace(secretsConfig("TOKEN"), "how: well", "nonsense: [", 1),
		strings.Replace(secretsConfig("TOKEN"), "getter: blabber, settings", "geter: blabber, settings", 1),
		strings.Replace(secretsConfig("TOKEN"), "dsn:", "dsnn: 1, dsn:", 1),
		secretsConfig("MISSING_VARIABLE"),
		strings.Replace(secretsConfig("TOKEN"), "token: "+planted["a secret setting written in dwmon.yaml"], "token: *"+planted["a secret setting written in dwmon.yaml"], 1),
	} {
		w.write("dwmon.yaml", bad)
		command("validate")
		command("once")
		command("validate", "--format", "sarif")
	}
	w.searchFiles()
}

// afterReload are the lines of a log from the reload on.
func afterReload(log []string) []string {
	i := slices.IndexFunc(log, func(l string) bool { return strings.Contains(l, "dwmon has reloaded") })
	return log[max(i, 0):]
}

// searchFiles searches every file of the world for secrets; those that hold them because
// somebody has put them there do not count.
func (w *world) searchFiles() {
	w.Helper()
	searched := 0
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, _ := filepath.Rel(w.dir, path)
		if strings.HasPrefix(name, "bin/") || strings.HasPrefix(name, "plugins/dwmon-plugin-") {
			return nil // this test binary: it holds them as constants
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		searched++
		for _, found := range leaks(text, func(where string) bool { return mayHold(where, name) }) {
			w.Errorf("the file %s holds %s", name, found)
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	if _, err := os.Stat(w.path("copy.db")); err != nil || searched < 10 {
		w.Errorf("%d files were searched, %v", searched, err)
	}
}
