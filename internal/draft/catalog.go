package draft

import (
	"cmp"
	"slices"
	"strings"
)

// Table is what can be counted.
type Table struct {
	// Schema is empty for the one in use.
	Schema, Name string
	Columns      []Column
}

// Column of a Table.
type Column struct {
	Name, Type string
	// Key says that it is part of the primary key, Unique that it alone is unique.
	Key, Unique bool
}

// FullName is the table's name for people, with its schema where that is not the one
// in use.
func (t Table) FullName() string {
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// Catalog makes tables of what a row getter's catalog query gives: keys of five
// fields with tabs between them. What has another form is left out.
func Catalog(keys []string) (tables []Table) {
	places := map[[2]string]int{}
	for _, key := range keys {
		f := strings.Split(key, "\t")
		if len(f) != 5 || f[1] == "" || f[2] == "" {
			continue
		}
		name := [2]string{f[0], f[1]}
		i, known := places[name]
		if !known {
			i = len(tables)
			places[name] = i
			tables = append(tables, Table{Schema: f[0], Name: f[1]})
		}
		tables[i].Columns = append(tables[i].Columns, Column{Name: f[2], Type: f[3], Key: f[4] == "key", Unique: f[4] == "unique"})
	}
	return tables
}

// FindTable gives the table of a name as people write it, in any case; false where
// there is none, or more than one.
func FindTable(tables []Table, name string) (Table, bool) {
	same := func(equal func(a, b string) bool) (found []Table) {
		for _, t := range tables {
			if equal(t.FullName(), name) {
				found = append(found, t)
			}
		}
		return found
	}
	for _, equal := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		if found := same(equal); len(found) == 1 {
			return found[0], true
		}
	}
	return Table{}, false
}

// Column gives the column of a name, in any case.
func (t Table) Column(name string) (Column, bool) {
	for _, equal := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for _, c := range t.Columns {
			if equal(c.Name, name) {
				return c, true
			}
		}
	}
	return Column{}, false
}

// ProposeKey gives the columns that tell the rows of a table apart: the primary key,
// else a column that is unique, else one that is called as if it were. It is empty
// where nothing looks like it.
func (t Table) ProposeKey() (names []string) {
	for _, c := range t.Columns {
		if c.Key {
			names = append(names, c.Name)
		}
	}
	if len(names) > 0 {
		return names
	}
	for _, is := range []func(Column) bool{
		func(c Column) bool { return c.Unique },
		func(c Column) bool { return slices.Contains([]string{"id", "uuid", "guid"}, strings.ToLower(c.Name)) },
		func(c Column) bool { return c.isKind("uuid", "uniqueidentifier") },
		func(c Column) bool { return strings.EqualFold(c.Name, singular(t.Name)+"_id") },
	} {
		if i := slices.IndexFunc(t.Columns, is); i >= 0 {
			return []string{t.Columns[i].Name}
		}
	}
	return nil
}

// singular is the table's name without the s of many.
func singular(name string) string { return strings.TrimSuffix(strings.ToLower(name), "s") }

// ProposeTimes gives the columns that may say when a row came to be, the likeliest
// first.
func (t Table) ProposeTimes() (names []string) {
	type scored struct {
		name  string
		score int
	}
	var found []scored
	for _, c := range t.Columns {
		if s := c.timeScore(); s > 0 {
			found = append(found, scored{c.Name, s})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	for _, f := range found {
		names = append(names, f.name)
	}
	return names
}

// isKind says whether the type begins with one of the words.
func (c Column) isKind(kinds ...string) bool {
	name := strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(c.Type, "Nullable("), "LowCardinality("))
	return slices.ContainsFunc(kinds, func(k string) bool { return strings.HasPrefix(name, k) })
}

// timeScore says how likely the column tells when a row came to be; 0: not at all.
// A time that names its beginning beats any other; of changes and ends comes last: rows
// would move, but keep the time with which they were seen first.
func (c Column) timeScore() int {
	score := 0
	name := strings.ToLower(c.Name)
	words := strings.FieldsFunc(splitCamel(c.Name), func(r rune) bool { return r == '_' || r == '-' || r == ' ' || r == '.' })
	has := func(of ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(of, w) })
	}
	switch {
	case c.isKind("timestamp", "datetime"):
		score = 40
	case c.isKind("date"):
		score = 10
	case c.isKind("time"), c.isKind("interval"), c.isKind("bool"), c.isKind("uuid"):
		return 0
	case name == "ts" || has("at", "time", "timestamp", "epoch", "datetime"):
		score = 20 // a number or a text that is called a time
	default:
		return 0
	}
	switch {
	case has("updated", "modified", "changed", "deleted", "expires", "expired", "ended", "finished", "closed", "due", "until", "valid", "birth", "last"):
		score -= 9
	case has("created", "inserted", "creation", "ingested", "received", "arrived", "recorded", "logged", "occurred", "event", "ordered", "placed", "measured", "submitted"):
		score += 9
	case name == "ts" || has("timestamp", "started", "at"):
		score += 3
	}
	return score
}

// splitCamel writes createdAt as created_at, in lower case.
func splitCamel(name string) string {
	var b strings.Builder
	lower := false
	for _, r := range name {
		if lower && 'A' <= r && r <= 'Z' {
			b.WriteByte('_')
		}
		lower = 'a' <= r && r <= 'z'
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}
