package notice

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/golden"
	"github.com/google/go-cmp/cmp"
)

func mustZone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return zone
}

// shown is a notice as the golden files keep it.
func shown(n dwmon.Notice) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kind     %s\nsummary  %s\n", n.Kind, n.Summary)
	if i := n.Incident; i != nil {
		text, err := json.Marshal(i)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, "incident %s\n", text)
	}
	if len(n.Keys) > 0 {
		fmt.Fprintf(&b, "keys     %q\n", n.Keys)
	}
	if len(n.Items) > 0 {
		fmt.Fprintf(&b, "items    %d, source %q, owner %q, labels %v, extra %s\n", len(n.Items), n.Source, n.Owner, n.Labels, n.Extra)
	}
	if n.Templated {
		b.WriteString("templated\n")
	}
	b.WriteString("\n" + n.Detail)
	return b.String()
}

func isGolden(t *testing.T, name, got string) {
	t.Helper()
	golden.Compare(t, filepath.Join("testdata", strings.ReplaceAll(name, " ", "_")+".txt"), got)
}

// count is a sample about a count, changed.
func count(kind dwmon.NoticeKind, change func(*Data)) Data {
	return sample(kind, dwmon.SubjectCount, change)
}

func sample(kind dwmon.NoticeKind, subject dwmon.Subject, change func(*Data)) Data {
	d := Sample(kind, subject)
	change(&d)
	return d
}

// at moves a sample to a time in a zone.
func at(d *Data, zone string, minute time.Time) {
	d.Zone = mustZone(zone)
	shift := minute.Unix() - d.Result.Minute
	d.Result.Minute += shift
	d.Result.EvaluatedAt += shift * 1e6
	d.Now += shift * 1e6
	d.Incident.Opened += shift
	for i := range d.Windows {
		d.Windows[i].Minute += shift
	}
}

func TestGolden(t *testing.T) {
	kinds := []dwmon.NoticeKind{dwmon.NoticeOpened, dwmon.NoticeRepeated, dwmon.NoticeRecovered}
	subjects := []dwmon.Subject{dwmon.SubjectCount, dwmon.SubjectChecker, dwmon.SubjectSource, dwmon.SubjectDwmon}
	for _, kind := range kinds {
		for _, subject := range subjects {
			name := string(kind) + " " + string(subject)
			t.Run(name, func(t *testing.T) { isGolden(t, name, shown(Compose(Sample(kind, subject)))) })
		}
	}
	hostile := "a\nb\x1b[31mred\u202egnp.exe\u0000\xff\u2028é日本\u200d"
	cases := []struct {
		name string
		data Data
	}{
		{"corrected", Sample(dwmon.NoticeCorrected, "")},
		{"corrected to high", count(dwmon.NoticeCorrected, func(d *Data) { d.Correction.Count, d.Correction.Status = 25, dwmon.Bad })},
		{"digest", Sample(dwmon.NoticeDigest, "")},
		{"digest all good", count(dwmon.NoticeDigest, func(d *Data) { d.CatchUp.Bad, d.CatchUp.LastBad = 0, 0 })},
		{"digest of a source over midnight", count(dwmon.NoticeDigest, func(d *Data) {
			d.CatchUp.From -= 86400
			d.CatchUp.Down, d.CatchUp.Checks, d.CatchUp.Unknown, d.CatchUp.State = "source AWS", 1590, 7, dwmon.StateBad
		})},
		{"digest one unknown", count(dwmon.NoticeDigest, func(d *Data) {
			d.CatchUp.Bad, d.CatchUp.LastBad, d.CatchUp.Unknown, d.CatchUp.Down, d.CatchUp.State = 0, 0, 1, "", ""
		})},
		{"test", Sample(dwmon.NoticeTest, "")},
		{"high", count(dwmon.NoticeOpened, func(d *Data) {
			d.Result.EventCount, d.Result.Reason, d.Result.Min = 31, dwmon.High, dwmon.Bound{}
			d.Windows[len(d.Windows)-1].Count = 31
			d.Windows[3].Count = 0
			d.Windows[5].Status = dwmon.Unknown
		})},
		{"half open", count(dwmon.NoticeOpened, func(d *Data) {
			d.Result.Requirement += " HALFOPEN"
			d.Result.LookbackSeconds, d.Result.Min, d.Result.Max = 90, dwmon.At(5), dwmon.At(5)
		})},
		{"long window", count(dwmon.NoticeOpened, func(d *Data) { d.Result.LookbackSeconds, d.Result.Max = 7*86400, dwmon.Bound{} })},
		{"caught up", count(dwmon.NoticeOpened, func(d *Data) {
			d.Result.CatchUp, d.Incident.CatchUp = true, true
			d.Result.EvaluatedAt += 7230 * 1e6
			d.Now += 7231 * 1e6
		})},
		{"hidden keys", count(dwmon.NoticeOpened, func(d *Data) { d.Checker.Options.HideKeys = true })},
		{"hostile", count(dwmon.NoticeOpened, func(d *Data) {
			d.Newest, d.Oldest = []string{hostile, strings.Repeat("k", 1<<20)}, []string{"\u202e"}
			d.Checker.Name = "tab\tand " + strings.Repeat("folder/", 20) + "orders"
			d.Checker.Options.Owner, d.Checker.Options.Runbook = hostile, strings.Repeat("https://wiki/", 200)
			d.Checker.Options.Labels = map[string]string{"a": hostile}
		})},
		{"long cause", sample(dwmon.NoticeOpened, dwmon.SubjectChecker, func(d *Data) {
			d.Incident.Cause = "fetch rows: " + strings.Repeat("Traceback (most recent call last):\n\n\tFile \"a.py\", line 1, in <module>\r\n", 400)
		})},
		{"password in a cause", sample(dwmon.NoticeOpened, dwmon.SubjectChecker, func(d *Data) {
			d.Checker.Source = "postgres://u:hunter2@db/shop"
			d.Incident.Cause = "cannot reach postgres://u:hunter2@db/shop: password hunter2 is wrong"
		})},
		{"many checkers", sample(dwmon.NoticeOpened, dwmon.SubjectSource, func(d *Data) {
			d.Names = nil
			for i := range 200 {
				d.Names = append(d.Names, fmt.Sprintf("billing/checker_%03d", i))
			}
			d.Incident.Checkers, d.Incident.Source = 200, "postgres://u:hunter2@db/shop"
		})},
		{"unknown by a verdict", sample(dwmon.NoticeOpened, dwmon.SubjectChecker, func(d *Data) {
			sampleCount(d)
			d.Incident.Cause, d.Result.Status, d.Result.Reason = "", dwmon.Unknown, dwmon.Truncated
		})},
		{"repeated while good", count(dwmon.NoticeRepeated, func(d *Data) {
			d.Result.EventCount, d.Result.Status, d.Result.Reason = 8, dwmon.Good, ""
		})},
		{"acknowledged", count(dwmon.NoticeRepeated, func(d *Data) {
			d.Incident.Ack = &dwmon.Ack{By: "ann", Comment: "a deployment", At: d.Now - 600*1e6, Until: d.Now + 3600*1e6}
		})},
		{"since yesterday", count(dwmon.NoticeRepeated, func(d *Data) { d.Incident.Opened -= 86400 })},
		{"line changed", count(dwmon.NoticeRecovered, func(d *Data) { d.Incident.End = dwmon.EndLineChanged })},
		{"checked again but bad", sample(dwmon.NoticeRecovered, dwmon.SubjectChecker, func(d *Data) { sampleCount(d) })},
		{"name for a shell", count(dwmon.NoticeOpened, func(d *Data) { d.Checker.Name = "bob's orders" })},
		{"zone Kolkata", count(dwmon.NoticeOpened, func(d *Data) { at(d, "Asia/Kolkata", time.Unix(sampleMinute, 0)) })},
		{"zone clock set back", count(dwmon.NoticeOpened, func(d *Data) {
			at(d, "Europe/Berlin", time.Date(2026, 10, 25, 1, 1, 0, 0, time.UTC))
		})},
		{"zone clock set forward", count(dwmon.NoticeOpened, func(d *Data) {
			at(d, "Europe/Berlin", time.Date(2026, 3, 29, 1, 1, 0, 0, time.UTC))
		})},
		{"just after midnight", count(dwmon.NoticeOpened, func(d *Data) {
			at(d, "Europe/Berlin", time.Date(2026, 6, 30, 21, 59, 0, 0, time.UTC))
			d.Now += 120 * 1e6
		})},
		{"nothing but a kind", Data{Kind: dwmon.NoticeOpened}},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) { isGolden(t, tt.name, shown(Compose(tt.data))) })
	}
}

func TestGroupGolden(t *testing.T) {
	one := Compose(Sample(dwmon.NoticeOpened, dwmon.SubjectCount))
	if got := Group([]dwmon.Notice{one}, 1); cmp.Diff(one, got) != "" {
		t.Errorf("a notice alone is not left as it is:\n%s", cmp.Diff(one, got))
	}
	recovered := Sample(dwmon.NoticeRecovered, dwmon.SubjectCount)
	recovered.Checker.Name = "bills"
	three := []dwmon.Notice{Compose(recovered), one, Compose(Sample(dwmon.NoticeOpened, dwmon.SubjectSource))}
	isGolden(t, "group of 3", shown(Group(three, sampleMinute*1e6)))

	same := []dwmon.Notice{one, Compose(Sample(dwmon.NoticeRepeated, dwmon.SubjectCount))}
	isGolden(t, "group of one owner", shown(Group(same, sampleMinute*1e6)))

	var sixty []dwmon.Notice
	for i := range 60 {
		kind := kinds[i%3]
		d := Sample(kind, dwmon.SubjectCount)
		d.Checker.Name = fmt.Sprintf("shop/orders_%02d", i)
		sixty = append(sixty, Compose(d))
	}
	isGolden(t, "group of 60", shown(Group(sixty, sampleMinute*1e6)))
	nested := Group([]dwmon.Notice{Group(sixty, 0), one}, 0)
	if len(nested.Items) != 61 {
		t.Errorf("a group of a group has %d items, not 61", len(nested.Items))
	}
}

// Each example of docs/notices.md is one of these.
func TestTemplateGolden(t *testing.T) {
	cases := []struct{ name, summary, body string }{
		{"template summary only", "{{.State}} {{.Checker}} ({{default \"nobody\" .Owner}}): {{.Count}}", ""},
		{"template body", "", "{{.Checker}}: {{.Count}} {{plural \"row\" \"rows\" .Count}} in {{duration .Lookback}}, {{.Wanted}} wanted\n{{range .Windows}}{{date \"15:04\" .Minute}}  {{.Count}}\n{{end}}{{sparkline .Windows .Min .Max}}\nin New York: {{date \"15:04 MST\" (inZone \"America/New_York\" .Minute)}}\n{{with .Runbook}}Runbook: {{.}}{{end}}\nkeys {{join \", \" .Newest}}; {{upper .Labels.team}}{{.Labels.none}}; {{.Extra.alert}}; {{json .Labels}}; {{trunc 5 .Description}}\n{{indent 2 .Detail}}"},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			tmpl, err := ParseTemplate(tt.summary, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if err := tmpl.Check(); err != nil {
				t.Fatal(err)
			}
			d := Sample(dwmon.NoticeOpened, dwmon.SubjectCount)
			n := Compose(d)
			if err := tmpl.Apply(&n, d); err != nil {
				t.Fatal(err)
			}
			isGolden(t, tt.name, shown(n))
		})
	}
}
