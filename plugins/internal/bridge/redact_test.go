package bridge

import "testing"

func TestRedactEnvironment(t *testing.T) {
	redact := RedactEnvironment([]string{"DWMON_DB_PASSWORD=open sesame", "DWMON_DB_USER=dwmon", "API_TOKEN=abc", "X=", "my_secret=s3cr3t"})
	const text = "dwmon: open sesame, s3cr3t, abc"
	if got := redact(text); got != "dwmon: [redacted], [redacted], abc" {
		t.Error(got)
	}
}
