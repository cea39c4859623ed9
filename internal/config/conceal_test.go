package config

import (
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestConcealedValuesAreTakenOutInEveryForm(t *testing.T) {
	c, err := Load(LoadOptions{Env: func(string) (string, bool) { return "", false }, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	const text = "the word is sword\"fish & <co>, or " + `sword\"fish & <co>, or sword\"fish \u0026 \u003cco\u003e, or sword%22fish`
	if got := c.Redact(text); got != text {
		t.Errorf("before: %s", got)
	}
	c.Conceal(`sword"fish & <co>`)
	c.Conceal("")
	if got, want := c.Redact(text), "the word is [redacted], or [redacted], or [redacted], or sword%22fish"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	newer, err := Load(LoadOptions{Env: func(string) (string, bool) { return "", false }, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	newer.ConcealAllOf(c)
	if got := newer.Redact(text); strings.Contains(got, `sword"fish`) {
		t.Errorf("after a reload: %s", got)
	}
}

// Programs that measure and simulate make a Config by hand.
func TestConfigThatWasNotLoadedLearnsNoSecret(t *testing.T) {
	c := &Config{}
	c.Conceal("swordfish")
	c.ConcealAllOf(&Config{})
	if got := c.Redact("swordfish"); got != "swordfish" {
		t.Errorf("%s", got)
	}
}

// TestSecretsComeToBeKnownWhileOthersAreTakenOut is for the race detector too.
func TestSecretsComeToBeKnownWhileOthersAreTakenOut(t *testing.T) {
	c, err := Load(LoadOptions{Env: func(string) (string, bool) { return "", false }, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 25 {
				secret := "secret-" + strconv.Itoa(i) + "-" + strconv.Itoa(j) + "-end"
				c.Conceal(secret)
				if got := c.Redact("it is " + secret); got != "it is [redacted]" {
					t.Errorf("%s", got)
				}
			}
		})
	}
	all.Wait()
	if n := len(c.Secrets()); n != 100 {
		t.Errorf("%d secrets are known", n)
	}
}
