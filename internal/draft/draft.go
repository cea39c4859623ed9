package draft

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Draft is a checker that is about to be written.
type Draft struct {
	Name   string
	Source string
	Query  string
	// Table and Time say what the query was made of; empty where it was given.
	Table, Time string
	Expect      Range
	Lookback    time.Duration
	// Every is how often it is checked, Hours and Days when, as the tokens have them;
	// Days may be weekdays, weekends or every.
	Every              time.Duration
	Hours, Days        string
	Owner, Description string
	// InWords says the requirement line in words.
	InWords string
}

// Range is what counts are expected.
type Range struct {
	Min, Max dwmon.Bound
	// Guessed says that nobody has named it.
	Guessed bool
}

// ParseRange reads 5..20, 5.. , ..20 or 5.
func ParseRange(text string) (r Range, err error) {
	bad := fmt.Errorf("%q is no range of counts: write 5..20, 5.. (at least 5), ..20 (at most 20) or 7 (just that)", text)
	low, high, ranged := strings.Cut(text, "..")
	if !ranged {
		high = low
	}
	for _, end := range []struct {
		text string
		to   *dwmon.Bound
	}{{low, &r.Min}, {high, &r.Max}} {
		if strings.TrimSpace(end.text) == "" {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(end.text), 10, 64)
		if err != nil || n < 0 {
			return r, bad
		}
		*end.to = dwmon.At(n)
	}
	switch {
	case !r.Min.Set && !r.Max.Set:
		return r, bad
	case r.Min.Set && r.Max.Set && r.Min.N > r.Max.N:
		return r, fmt.Errorf("%q is backwards: did you mean %d..%d?", text, r.Max.N, r.Min.N)
	}
	return r, nil
}

// String writes what ParseRange reads.
func (r Range) String() string {
	end := func(b dwmon.Bound) string {
		if !b.Set {
			return ""
		}
		return strconv.FormatInt(b.N, 10)
	}
	return end(r.Min) + ".." + end(r.Max)
}

// Line is the requirement line. The error says what of the draft cannot be written.
func (d *Draft) Line() (string, error) {
	hours, minutes, err := d.schedule()
	if err != nil {
		return "", err
	}
	if d.Lookback < time.Second || d.Lookback > dwmon.MaxLookback*time.Second {
		return "", fmt.Errorf("a look-back of %s is none from 1s to 366d", dwmon.FormatDuration(d.Lookback))
	}
	line := "CHECKHOURS" + hours + " CHECKMINUTES" + minutes + " " + d.days()
	if d.Expect.Min.Set {
		line += fmt.Sprintf(" MINNUM%d", d.Expect.Min.N)
	}
	if d.Expect.Max.Set {
		line += fmt.Sprintf(" MAXNUM%d", d.Expect.Max.N)
	}
	line += fmt.Sprintf(" LOOKBACKSECONDS%d", int64(d.Lookback/time.Second))
	if d.Every == d.Lookback {
		line += " HALFOPEN"
	}
	return line, nil
}

// days are the tokens for the days.
func (d *Draft) days() string {
	switch strings.ToLower(d.Days) {
	case "weekdays":
		return "WEEKDAYS"
	case "weekends":
		return "WEEKENDS"
	case "every", "":
		return "WEEKENDS WEEKDAYS"
	default:
		return "CHECKDAYS" + strings.ToUpper(d.Days)
	}
}

// allHours are those of a day.
const allHours = "0-23"

// schedule gives CHECKHOURS and CHECKMINUTES without their names.
func (d *Draft) schedule() (hours, minutes string, err error) {
	hours = d.Hours
	if hours == "" {
		hours = allHours
	}
	n := int(d.Every / time.Minute)
	switch {
	case d.Every%time.Minute != 0 || n < 1:
	case n == 1:
		return hours, "0-59", nil
	case n < 60 && 60%n == 0:
		return hours, "*/" + strconv.Itoa(n), nil
	case n%60 == 0 && n <= 1440 && 1440%n == 0:
		return everyHours(hours, n/60), "0", nil
	}
	return "", "", fmt.Errorf("every %s: no line says that; one of 1m, 2m, 3m, 4m, 5m, 6m, 10m, 12m, 15m, 20m, 30m, 1h, 2h, 3h, 4h, 6h, 8h, 12h, 24h does",
		dwmon.FormatDuration(d.Every))
}

// everyHours are every nth of some hours, the first of them included. A list of hours
// is a schedule of its own.
func everyHours(hours string, n int) string {
	from, to, ranged := strings.Cut(hours, "-")
	first, err := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	switch {
	case n == 1, !ranged, err != nil, err2 != nil:
		return hours
	case hours == allHours && n < 24:
		return "*/" + strconv.Itoa(n)
	}
	var list []string
	for h := first; h <= last; h += n {
		list = append(list, strconv.Itoa(h))
	}
	return strings.Join(list, ",")
}

// Text is the checker file. The error is that of Line.
func (d *Draft) Text() ([]byte, error) {
	line, err := d.Line()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	d.head(&b)
	fmt.Fprintf(&b, "\n__QUERY__\n%s\n", strings.TrimSpace(d.Query))
	fmt.Fprintf(&b, "\n__REQUIREMENTS__\n")
	if d.InWords != "" {
		fmt.Fprintf(&b, "# %s\n", d.InWords)
	}
	if d.Expect.Guessed {
		b.WriteString("# The bounds are a guess. `dwmon backfill` and `dwmon suggest` find better ones.\n")
	}
	if d.Every == d.Lookback {
		b.WriteString("# HALFOPEN: windows laid end to end lose no row between two of them.\n")
	}
	fmt.Fprintf(&b, "%s\n\n__SOURCE__\n%s\n", line, strings.TrimSpace(d.Source))
	d.options(&b)
	return b.Bytes(), nil
}

// head is the comment that the file begins with.
func (d *Draft) head(b *bytes.Buffer) {
	comment := func(text string) {
		for _, line := range wrap(text, 86) {
			fmt.Fprintf(b, "# %s\n", line)
		}
	}
	if d.Table != "" {
		comment(fmt.Sprintf("Rows of %s. Written by `dwmon new`: edit it as you like.", d.Table))
	} else {
		comment("Written by `dwmon new`: edit it as you like.")
	}
	b.WriteString("#\n")
	comment("dwmon_unique_key tells the rows apart: what was seen once is not counted again. dwmon_timestamp says when each came to be.")
	if d.Table != "" {
		b.WriteString("#\n")
		comment(fmt.Sprintf("The query is asked whenever something is due. An index on %s keeps it cheap; a WHERE counts some of the rows only, such as WHERE status = 'paid'.", d.Time))
	}
}

// options writes OPTIONS, what is not known as comments to be filled in.
func (d *Draft) options(b *bytes.Buffer) {
	b.WriteString("\n__OPTIONS__\n")
	entry := func(name, value, placeholder, why string) {
		if value != "" {
			fmt.Fprintf(b, "%s: %s\n", name, yamlText(value))
			return
		}
		fmt.Fprintf(b, "# %-52s # %s\n", name+": "+placeholder, why)
	}
	entry("description", d.Description, "what it means when this is BAD", "for people who are woken by it")
	entry("owner", d.Owner, "team", "whom it belongs to")
	entry("runbook", "", "https://wiki.example.com/…", "what to do then")
	entry("grace", "", "2m", "rows come late: each minute is judged so much later")
	entry("timezone", "", "Europe/Berlin", "of hours and days, where it is not the daemon's")
}

// wrap breaks a text into lines of at most so many characters.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

var plainYAML = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 _./(),-]*[A-Za-z0-9)]$`)

// yamlText writes a text as YAML has it.
func yamlText(text string) string {
	if plainYAML.MatchString(text) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off"}, strings.ToLower(text)) {
		return text
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b) // double quotes of JSON are those of YAML
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a text always can
	return strings.TrimSpace(b.String())
}
