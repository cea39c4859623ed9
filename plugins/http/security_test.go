package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

var quietLog = log.New(io.Discard, "", 0)

// recorder remembers what came.
type recorder struct {
	mu   sync.Mutex
	seen []*http.Request
}

func (r *recorder) add(req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, req)
}

func (r *recorder) all() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

// TestCredentialsGoToTheBaseOnly is the rule, tried over every way that leads
// elsewhere: another port of the same host is another server.
func TestCredentialsGoToTheBaseOnly(t *testing.T) {
	var there recorder
	elsewhere := serve(t, func(w http.ResponseWriter, r *http.Request) {
		there.add(r)
		_, _ = io.WriteString(w, `{"items": [["there", 1]]}`)
	})
	host := strings.TrimPrefix(elsewhere.URL, "http://")
	var here recorder
	home := serve(t, func(w http.ResponseWriter, r *http.Request) {
		here.add(r)
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, elsewhere.URL+"/landed", http.StatusFound)
		case "/twice": // by way of ourselves
			http.Redirect(w, r, "/redirect", http.StatusPermanentRedirect)
		case "/relative":
			http.Redirect(w, r, "//"+host+"/landed", http.StatusTemporaryRedirect)
		case "/next":
			w.Header().Set("Link", "<"+elsewhere.URL+"/landed>; rel=next")
			_, _ = fmt.Fprintf(w, `{"items": [["here", 1]], "next": "%s/landed"}`, elsewhere.URL)
		case "/there-and-back":
			http.Redirect(w, r, elsewhere.URL+"/back", http.StatusFound)
		}
	})
	secrets := []map[string]any{
		{"bearer": "s3cr3t-token"},
		{"user": "me", "password": "s3cr3t-token"},
		{"headers": map[string]string{"X-Api-Key": "s3cr3t-token"}, "params": map[string]string{"api_key": "s3cr3t-token"}},
		{"url": "http://me:s3cr3t-token@" + strings.TrimPrefix(home.URL, "http://")},
	}
	const rows = "\nX-Team: billing\nrows: .items[]\n"
	ways := []string{
		"GET /redirect" + rows, "GET /twice" + rows, "GET /relative" + rows, "GET /next" + rows + "next: .next", "GET /next" + rows + "next: link",
		"GET " + elsewhere.URL + "/landed" + rows,
	}
	for _, secret := range secrets {
		for _, query := range ways {
			_, err := start(t, home.URL, secret).Get(t.Context(), query)
			gettertest.WantFault(t, err, codes.InvalidArgument, "s3cr3t-token", elsewhere.URL+"/landed is not where the source is", fmt.Sprintf("add %q to allowed_hosts", host))
			if n := len(there.all()); n != 0 {
				t.Fatalf("%s: the other server was asked: %v", query, there.all()[0].Header)
			}
			for _, allowed := range []string{host, strings.ToUpper(host)} {
				sink, err := start(t, home.URL, secret, map[string]any{"allowed_hosts": []string{allowed}}).Get(t.Context(), query)
				if err != nil || !strings.HasSuffix(keys(sink), "there") {
					t.Fatalf("%s: %v, %v", query, keys(sink), err)
				}
			}
			for _, r := range there.all() {
				text := fmt.Sprint(r.Header, r.URL)
				if strings.Contains(text, "s3cr3t") || r.Header.Get("Authorization") != "" || r.Header.Get("X-Team") != "" || r.Header.Get("Referer") != "" {
					t.Fatalf("%s: the other server was sent %s", query, text)
				}
			}
			there = recorder{}
		}
	}
	for _, r := range here.all() {
		if text := fmt.Sprint(r.Header, r.URL); r.Header.Get("X-Team") != "billing" ||
			!strings.Contains(text, "s3cr3t-token") && r.Header.Get("Authorization") == "" {
			t.Fatalf("our own server was sent %s", text)
		}
	}
	// A host of the list is that host at its scheme's port, unless a port is named.
	_, err := start(t, home.URL, map[string]any{"allowed_hosts": []string{"127.0.0.1", "127.0.0.1:443"}}).Get(t.Context(), ways[0])
	gettertest.WantFault(t, err, codes.InvalidArgument, "", "is not where the source is")
}

func TestPlainHTTPIsNoWayOn(t *testing.T) {
	g := &getter{settings: settings{AllowedHosts: []string{"files.example.com", "other.example.com:8443"}}}
	https, http := mustBase(t, "https://api.example.com"), mustBase(t, "http://api.example.com")
	for url, want := range map[string][2]bool{
		"https://files.example.com/x":      {true, true},
		"https://FILES.example.com:443/x":  {true, true},
		"https://files.example.com:8443/x": {false, false},
		"http://files.example.com/x":       {false, true},
		"https://other.example.com:8443/":  {true, true},
		"https://other.example.com/":       {false, false},
		"https://evil.com/":                {false, false},
		"ftp://files.example.com/x":        {false, false},
	} {
		u := mustURL(t, url)
		if got := [2]bool{g.allowed(https, u), g.allowed(http, u)}; got != want {
			t.Errorf("%s: got %v, want %v", url, got, want)
		}
	}
	for a, b := range map[string]string{
		"https://h": "https://H:443/x", "http://h:80": "http://h", "https://[::1]:443": "https://[::1]",
	} {
		if originOf(mustURL(t, a)) != originOf(mustURL(t, b)) {
			t.Errorf("%s and %s are one server", a, b)
		}
	}
	for a, b := range map[string]string{
		"https://h": "http://h", "https://h:8443": "https://h", "https://h.evil": "https://h", "http://h:443": "https://h:443",
	} {
		if originOf(mustURL(t, a)) == originOf(mustURL(t, b)) {
			t.Errorf("%s and %s are two servers", a, b)
		}
	}
}

func TestRedirects(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/307":
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		case "/302":
			http.Redirect(w, r, "/end", http.StatusFound)
		case "/nowhere":
			w.WriteHeader(http.StatusFound)
		case "/user":
			w.Header().Set("Location", "http://evil:pw@"+r.Host+"/end#x")
			w.WriteHeader(http.StatusFound)
		default:
			_, _ = fmt.Fprintf(w, `[["%s %s", 1]]`, r.Method, body)
		}
	})
	g := start(t, s.URL)
	for query, want := range map[string]string{
		"GET /302\nrows: .[]":             "GET ",
		"GET /user\nrows: .[]":            "GET ",
		"POST /307\nbody: abc\nrows: .[]": "POST abc",
	} {
		if got := keys(g.MustGet(t, query)); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	for query, word := range map[string]string{
		"GET /round\nrows: .[]":           "more than 5 times",
		"POST /302\nbody: abc\nrows: .[]": "redirected a POST with 302",
		"GET /nowhere\nrows: .[]":         "302 Found, which does not promise the whole result",
	} {
		_, err := g.Get(t.Context(), query)
		gettertest.WantFault(t, err, codes.InvalidArgument, "", word)
	}
}

func TestBearerFileIsReadForEachFetch(t *testing.T) {
	var here recorder
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		here.add(r)
		_, _ = io.WriteString(w, "[]")
	})
	path := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	g := start(t, s.URL, map[string]any{"bearer_file": path})
	g.MustGet(t, "GET /\nrows: .[]")
	write("second")
	g.MustGet(t, "GET /\nrows: .[]")
	if a, b := here.all()[0].Header.Get("Authorization"), here.all()[1].Header.Get("Authorization"); a != "Bearer first" || b != "Bearer second" {
		t.Errorf("got %q and %q", a, b)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err := g.Get(t.Context(), "GET /\nrows: .[]")
	gettertest.WantFault(t, err, codes.FailedPrecondition, "", "bearer_file")
}

// authority is a certificate authority that lives as long as a test.
type testAuthority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	dir  string
}

func newAuthority(t *testing.T) *testAuthority {
	t.Helper()
	a := &testAuthority{dir: t.TempDir()}
	a.key, a.cert = a.sign(t, "authority", nil, time.Hour)
	return a
}

// sign makes a key and a certificate for it, signed by the authority, or by itself
// where there is none yet.
func (a *testAuthority) sign(t *testing.T, name string, ips []net.IP, valid time.Duration) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: ips,
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(valid), IsCA: a.cert == nil, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key, cert
}

func (a *testAuthority) path(name string) string { return filepath.Join(a.dir, name) }

// serve starts a server with a certificate of the authority's.
func (a *testAuthority) serve(t *testing.T, h http.HandlerFunc, auth tls.ClientAuthType, name string, ips []net.IP, valid time.Duration) string {
	t.Helper()
	key, cert := a.sign(t, name, ips, valid)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = quietLog
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, ClientAuth: auth, ClientCAs: pool}
	if auth == tls.RequireAndVerifyClientCert {
		// Later versions refuse when the request is under way, and what the client
		// sees of it is a matter of luck.
		s.TLS.MaxVersion = tls.VersionTLS12
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	a.sign(t, "us", nil, time.Hour)
	loopback := []net.IP{net.IPv4(127, 0, 0, 1)}
	ok := says("application/json", `[["a", 1]]`)
	var there recorder
	other := a.serve(t, func(w http.ResponseWriter, r *http.Request) {
		there.add(r)
		ok(w, r)
	}, tls.RequestClientCert, "other", loopback, time.Hour)
	wants := a.serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, other+"/x", http.StatusFound)
			return
		}
		ok(w, r)
	}, tls.RequireAndVerifyClientCert, "server", loopback, time.Hour)
	named := a.serve(t, ok, tls.NoClientCert, "internal.name", nil, time.Hour)
	expired := a.serve(t, ok, tls.NoClientCert, "server", loopback, -time.Hour)
	trust := func(more map[string]string) map[string]any {
		all := map[string]string{"ca": a.path("authority.pem")}
		for k, v := range more {
			all[k] = v
		}
		return map[string]any{"tls": all, "allowed_hosts": []string{strings.TrimPrefix(other, "https://")}}
	}
	cert := map[string]string{"cert": a.path("us.pem"), "key": a.path("us.key")}
	const query = "GET /\nrows: .[]"
	for name, g := range map[string]*gettertest.Getter{
		"with our certificate": start(t, wants, trust(cert)),
		"by another name":      start(t, named, trust(map[string]string{"server_name": "internal.name"})),
	} {
		if sink, err := g.Get(t.Context(), query); err != nil || keys(sink) != "a" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for url, words := range map[string][]string{
		wants:   {"refused the TLS connection", "tls.cert"},
		named:   {"for another name", "tls.server_name"},
		expired: {"is not valid", "expired"},
	} {
		_, err := start(t, url, trust(nil)).Get(t.Context(), query)
		gettertest.WantFault(t, err, codes.FailedPrecondition, "", words...)
		_, err = start(t, url).Get(t.Context(), query)
		gettertest.WantFault(t, err, codes.FailedPrecondition, "", "certificate of")
	}
	// Our certificate is a credential: another host that asks for one gets none.
	if got := keys(start(t, wants, trust(cert)).MustGet(t, "GET /away\nrows: .[]")); got != "a" {
		t.Error(got)
	}
	if r := there.all()[0]; len(r.TLS.PeerCertificates) != 0 {
		t.Errorf("the other server was shown the certificate of %s", r.TLS.PeerCertificates[0].Subject)
	}
}
