package pluginhost

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// decodeStrict reads one JSON value into v. What a reader might overlook is an error:
// unknown members, members that stand twice (encoding/json takes the last, in
// whatever case), and text behind the value.
func decodeStrict(text []byte, v any) error {
	if err := noDuplicates(json.NewDecoder(bytes.NewReader(text)), ""); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("there is text behind its end")
	}
	return nil
}

func noDuplicates(dec *json.Decoder, at string) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		seen := map[string]bool{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			key := strings.ToLower(name.(string))
			if seen[key] {
				return fmt.Errorf("%s.%s stands twice", strings.TrimPrefix(at, "."), name)
			}
			seen[key] = true
			if err := noDuplicates(dec, at+"."+name.(string)); err != nil {
				return err
			}
		}
	case json.Delim('['):
		for dec.More() {
			if err := noDuplicates(dec, at); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = dec.Token() // the end of the object or list
	return err
}
