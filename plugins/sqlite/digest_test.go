package main

import (
	"database/sql/driver"
	"testing"
)

func TestSHA256(t *testing.T) {
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, appendix B.1
	const digits = "a665a45920422f9d417e4867efdc4fb8a04a1f3fff1fa07e998e86f7f7a27ae3"
	tests := []struct {
		name string
		arg  driver.Value
		want driver.Value
	}{
		{"a text", "abc", abc},
		{"a blob", []byte("abc"), abc},
		{"a number as its text", int64(123), digits},
		{"NULL", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sha256Of(nil, []driver.Value{tt.arg})
			if err != nil || got != tt.want {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
	if _, err := sha256Of(nil, []driver.Value{1.5}); err == nil {
		t.Error("a floating number was digested")
	}
}
