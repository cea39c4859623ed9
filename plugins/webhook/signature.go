package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// The headers of https://www.standardwebhooks.com.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// signingKey is a secret as it was given, and the bytes that it stands for.
type signingKey struct {
	text string
	key  []byte
}

// signingKeys reads secrets: "whsec_" and base64, else the text itself is the key. An
// error does not show them.
func signingKeys(given []string) (keys []signingKey, err error) {
	for _, text := range strings.Fields(strings.Join(given, " ")) {
		key := []byte(text)
		if coded, ok := strings.CutPrefix(text, "whsec_"); ok {
			if key, err = base64.StdEncoding.DecodeString(coded); err != nil {
				return nil, errors.New("behind whsec_ stands no base64; give it as the receiver shows it")
			}
		}
		if len(key) == 0 {
			return nil, errors.New("nothing stands behind whsec_")
		}
		keys = append(keys, signingKey{text, key})
	}
	return keys, nil
}

// sign makes the value of webhook-signature: one signature for each key, so that a
// receiver may know the old one or the new.
func sign(keys []signingKey, id string, at int64, body []byte) string {
	signatures := make([]string, len(keys))
	for i, k := range keys {
		mac := hmac.New(sha256.New, k.key)
		fmt.Fprintf(mac, "%s.%d.%s", id, at, body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " ")
}

// messageID is the idempotency key as a header can hold it: names of checkers may
// have letters that no header can. They hold no %, so that keys stay different.
func messageID(key string) string {
	var id strings.Builder
	for _, b := range []byte(key) {
		if b < ' ' || b >= 0x7f {
			fmt.Fprintf(&id, "%%%02X", b)
		} else {
			id.WriteByte(b)
		}
	}
	return id.String()
}
