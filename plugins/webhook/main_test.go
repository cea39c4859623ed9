package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/plugins/internal/provider/providertest"
	"github.com/dwmon/dwmon/pluginsdk"
)

const (
	plainSecret = "s3cr3t-correct-horse"
	codedSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// message is one that was received.
type message struct {
	header http.Header
	body   []byte
}

// receiver is a webhook's other end: it takes what is signed with one of its secrets,
// as the official library verifies it, and what is not signed where it has none.
type receiver struct {
	verifiers []*standardwebhooks.Webhook
	mu        sync.Mutex
	got       []message
}

func newReceiver(t *testing.T, secrets ...string) *receiver {
	t.Helper()
	r := &receiver{}
	for _, secret := range secrets {
		verifier, err := standardwebhooks.NewWebhookRaw([]byte(secret))
		if strings.HasPrefix(secret, "whsec_") {
			verifier, err = standardwebhooks.NewWebhook(secret)
		}
		if err != nil {
			t.Fatal(err)
		}
		r.verifiers = append(r.verifiers, verifier)
	}
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	switch {
	case err != nil, req.Method != http.MethodPost, req.Header.Get("Content-Type") != "application/json", !json.Valid(body):
		http.Error(w, "want a POST of JSON", http.StatusBadRequest)
		return
	case req.Header.Get("Webhook-Id") == "", req.Header.Get("Webhook-Timestamp") == "":
		http.Error(w, "want the headers of Standard Webhooks", http.StatusBadRequest)
		return
	case !r.signed(req.Header, body):
		http.Error(w, "not signed", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, message{req.Header, body})
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) signed(h http.Header, body []byte) bool {
	for _, verifier := range r.verifiers {
		if verifier.Verify(body, h) == nil {
			return true
		}
	}
	return len(r.verifiers) == 0
}

func start(t *testing.T, r *receiver, more map[string]any) *providertest.Handler {
	t.Helper()
	settings := map[string]any{"url": providertest.Serve(t, r.ServeHTTP).URL + "/hooks/dwmon"}
	for name, v := range more {
		settings[name] = v
	}
	return providertest.MustStart(t, newPlugin(), settings)
}

func TestFaults(t *testing.T) {
	providertest.Suite{
		New: newPlugin,
		Settings: func(base string) map[string]any {
			return map[string]any{
				"url": base + "/hooks/s3cr3t-path?token=s3cr3t-token", "secret": []string{plainSecret},
				"headers": map[string]string{"Authorization": "Bearer s3cr3t-bearer"},
			}
		},
		Taken: newReceiver(t, plainSecret).ServeHTTP,
	}.Run(t)
}

func TestWhatIsPosted(t *testing.T) {
	r := newReceiver(t)
	h := start(t, r, map[string]any{"headers": map[string]string{"X-Team": "billing"}})
	if err := h.Check(t.Context(), providertest.Bad()); err != nil {
		t.Fatal(err)
	}
	if err := h.Notice(t.Context(), providertest.Opened()); err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		id, golden string
		same       any
	}{
		{providertest.Bad().IdempotencyKey, "result.json", providertest.Bad().Result},
		{providertest.Opened().IdempotencyKey, "notice.json", providertest.Opened()},
	} {
		got := r.got[i]
		providertest.Golden(t, want.golden, providertest.Indented(t, got.body))
		if same, _ := json.Marshal(want.same); string(same) != string(got.body) {
			t.Errorf("%s is not the object itself: %s", want.golden, got.body)
		}
		for name, value := range map[string]string{
			"Webhook-Id": want.id, "User-Agent": "dwmon-webhook/" + version, "Content-Type": "application/json", "X-Team": "billing",
			"Webhook-Signature": "", "X-Idempotency-Key": "",
		} {
			if v := got.header.Get(name); v != value {
				t.Errorf("%s: %s is %q, want %q", want.golden, name, v, value)
			}
		}
	}
}

func TestEveryKindIsTaken(t *testing.T) {
	r := newReceiver(t, plainSecret)
	h := start(t, r, map[string]any{"secret": plainSecret})
	for _, ev := range []pluginsdk.CheckEvent{providertest.Good(), providertest.Bad(), providertest.Unknown()} {
		if err := h.Check(t.Context(), ev); err != nil {
			t.Error(ev.CheckStatus, err)
		}
	}
	for name, n := range providertest.Notices() {
		if err := h.Notice(t.Context(), n); err != nil {
			t.Error(name, err)
		}
	}
	if want := 3 + len(providertest.Notices()); len(r.got) != want {
		t.Errorf("%d messages, want %d", len(r.got), want)
	}
}

// TestSecretsAreRotated: while there are two, receivers that know either of them
// take what is posted.
func TestSecretsAreRotated(t *testing.T) {
	for name, c := range map[string]struct {
		ours   any
		theirs string
		taken  bool
	}{
		"a text":                       {plainSecret, plainSecret, true},
		"whsec_":                       {codedSecret, codedSecret, true},
		"another":                      {plainSecret, "s3cr3t-of-others", false},
		"none":                         {nil, plainSecret, false},
		"the old of two":               {[]string{"s3cr3t-old", codedSecret}, "s3cr3t-old", true},
		"the new of two":               {[]string{"s3cr3t-old", codedSecret}, codedSecret, true},
		"the old of two in one text":   {"s3cr3t-old " + codedSecret, "s3cr3t-old", true},
		"the new of two in one text":   {"s3cr3t-old " + codedSecret, codedSecret, true},
		"whsec_ is not its own letter": {codedSecret, strings.TrimPrefix(codedSecret, "whsec_"), false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, c.theirs)
			err := start(t, r, map[string]any{"secret": c.ours}).Check(t.Context(), providertest.Bad())
			if (err == nil) != c.taken || len(r.got) == 1 != c.taken {
				t.Errorf("%v, %d messages; want taken: %v", err, len(r.got), c.taken)
			}
		})
	}
}

// TestSignaturesAreTheLibrarys holds our signatures against the official library's,
// for any key and message.
func TestSignaturesAreTheLibrarys(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.StringMatching(`[!-~]{1,40}`).Draw(rt, "secret")
		id := messageID("K7QXA2" + rapid.String().Draw(rt, "id"))
		body := rapid.SliceOf(rapid.Byte()).Draw(rt, "body")
		at := rapid.Int64Range(0, 1<<33).Draw(rt, "at")
		key := signingKey{secret, []byte(secret)}
		verifier, err := standardwebhooks.NewWebhookRaw(key.key)
		if err != nil {
			rt.Fatal(err)
		}
		header := http.Header{}
		header.Set("webhook-id", id)
		header.Set("webhook-timestamp", fmt.Sprint(at))
		header.Set("webhook-signature", sign([]signingKey{{"", []byte("x")}, key}, id, at, body))
		if err := verifier.VerifyIgnoringTimestamp(body, header); err != nil {
			rt.Fatal(err)
		}
	})
}

// TestIDsOfAnyCheckerAreHeaders: keys stay different, and fit in a header.
func TestIDsOfAnyCheckerAreHeaders(t *testing.T) {
	for key, want := range map[string]string{
		"K7QXA2/billing/new invoices/1795856460/0": "K7QXA2/billing/new invoices/1795856460/0",
		"K7QXA2/Rechnungen/März/1795856460/0":      "K7QXA2/Rechnungen/M%C3%A4rz/1795856460/0",
	} {
		if got := messageID(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	r := newReceiver(t, plainSecret)
	ev := providertest.Bad()
	ev.IdempotencyKey = "K7QXA2/Rechnungen/März/1795856460/0"
	if err := start(t, r, map[string]any{"secret": plainSecret}).Check(t.Context(), ev); err != nil {
		t.Error(err)
	}
}

func TestWrongSettings(t *testing.T) {
	const url = "https://hooks.example.com/s3cr3t"
	for name, c := range map[string]struct {
		settings map[string]any
		want     string
	}{
		"no URL":                {map[string]any{"url": "hooks.example.com/s3cr3t"}, "url: want a URL"},
		"whsec_ without base64": {map[string]any{"url": url, "secret": "whsec_s3cr3t!"}, "behind whsec_ stands no base64"},
		"whsec_ alone":          {map[string]any{"url": url, "secret": "whsec_"}, "nothing stands behind whsec_"},
		"our own header":        {map[string]any{"url": url, "headers": map[string]string{"webhook-signature": "s3cr3t"}}, "Webhook-Signature is set by the plugin itself"},
		"two lines":             {map[string]any{"url": url, "headers": map[string]string{"X-A": "s3cr3t\nX-B: y"}}, "line break"},
		"half a certificate":    {map[string]any{"url": url, "tls": map[string]any{"cert": "c.pem"}}, "tls.cert and tls.key belong together"},
		"no such authority":     {map[string]any{"url": url, "tls": map[string]any{"ca": "testdata/none.pem"}}, "tls.ca"},
		"an authority of none":  {map[string]any{"url": url, "tls": map[string]any{"ca": "main_test.go"}}, "no certificate in PEM form"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := providertest.Start(t, newPlugin(), c.settings)
			if text := fmt.Sprint(err); pluginsdk.ClassOf(err) != pluginsdk.ClassConfig || !strings.Contains(text, c.want) || strings.Contains(text, "s3cr3t") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	var s secrets
	if err := json.Unmarshal([]byte(`{"s3cr3t": 1}`), &s); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Error(err)
	}
}

// TestHealth: any answer will do, and nothing is posted.
func TestHealth(t *testing.T) {
	r := newReceiver(t)
	h := start(t, r, nil)
	if err := h.Health(t.Context()); err != nil || len(r.got) != 0 {
		t.Errorf("%v, %d messages", err, len(r.got))
	}
	s := providertest.Serve(t, r.ServeHTTP)
	s.Close()
	h = providertest.MustStart(t, newPlugin(), map[string]any{"url": s.URL})
	if err := h.Health(t.Context()); pluginsdk.ClassOf(err) != pluginsdk.ClassRetryable {
		t.Error(err)
	}
}
