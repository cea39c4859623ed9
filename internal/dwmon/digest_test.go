package dwmon

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestDigestWording(t *testing.T) {
	cases := []struct {
		name            string
		add             func(*Digest)
		checker         string
		summary, detail string
	}{
		{
			"one result", func(d *Digest) { d.Add("a", 600, Bad, 1) }, "a",
			"1 result of 1 checker was not sent one by one, from 1970-01-01T00:10Z to 1970-01-01T00:10Z: 1 BAD, 0 UNKNOWN, 0 GOOD",
			"a: 1 BAD, 0 UNKNOWN, 0 GOOD\n",
		},
		{
			"one notice", func(d *Digest) { d.AddNotices("a", 600, 1) }, "a",
			"1 notice of 1 checker was not sent one by one, from 1970-01-01T00:10Z to 1970-01-01T00:10Z",
			"a: 1 notice\n",
		},
		{
			"notices are counted apart, and the worst checker comes first",
			func(d *Digest) {
				d.AddNotices("quiet", 0, 2)
				d.AddNotices("told", 1200, 14)
				d.Add("told", 600, Good, 3)
				d.Add("bad", 660, Bad, 1)
				d.Add("unknown", 660, Unknown, 1)
			},
			"",
			"5 results and 16 notices of 4 checkers were not sent one by one, from 1970-01-01T00:00Z to 1970-01-01T00:20Z: 1 BAD, 1 UNKNOWN, 3 GOOD",
			"bad: 1 BAD, 0 UNKNOWN, 0 GOOD\nunknown: 0 BAD, 1 UNKNOWN, 0 GOOD\ntold: 0 BAD, 0 UNKNOWN, 3 GOOD and 14 notices\nquiet: 2 notices\n",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var d Digest
			c.add(&d)
			n := d.Notice()
			if n.Summary != c.summary || n.Detail != c.detail || n.Checker != c.checker || n.Kind != "digest" {
				t.Errorf("got %+v", n)
			}
			text, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			var again Digest
			if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(again.Notice(), n) {
				t.Errorf("read back from %s: %+v, %v", text, again.Notice(), err)
			}
			if noNotices := c.name == "one result"; strings.Contains(string(text), "notices") == noNotices {
				t.Errorf("stored as %s", text)
			}
		})
	}
}
