package dwmon

import (
	"slices"
	"testing"
)

func TestSourcesAreShownWithoutSecrets(t *testing.T) {
	for _, tt := range []struct {
		source, shown string
		secrets       []string
	}{
		{"AWS", "AWS", nil},
		{"sqlite:demo.db", "sqlite:demo.db", nil},
		{"postgres://dwmon@db/shop", "postgres://dwmon@db/shop", nil},
		{"postgres://dwmon:p%40ss@db/shop", "postgres://dwmon:…@db/shop", []string{"p%40ss", "p@ss"}},
		{"postgres:///shop?host=/run&user=dwmon&password=a+b&sslmode=disable", "postgres:///shop?host=/run&user=dwmon&password=…&sslmode=disable", []string{"a b", "a+b"}},
		{"sf://u:one@acc/db?Token=two&warehouse=W;privateKey=three", "sf://u:…@acc/db?Token=…&warehouse=W;privateKey=…", []string{"one", "three", "two"}},
		{"bigquery://project/set?keyfile=/etc/key.json", "bigquery://project/set?keyfile=/etc/key.json", nil},
		{"duckdb:file.db?s3_secret_access_key=zzz", "duckdb:file.db?s3_secret_access_key=…", []string{"zzz"}},
		{"what password=that is nobody's URL", "what password=that is nobody's URL", nil},
	} {
		c := &Checker{Source: tt.source}
		if got := c.ShownSource(); got != tt.shown {
			t.Errorf("%s is shown as %s, want %s", tt.source, got, tt.shown)
		}
		if got := c.SourceSecrets(); !slices.Equal(got, tt.secrets) {
			t.Errorf("%s holds %q, want %q", tt.source, got, tt.secrets)
		}
	}
}
