package draft

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// dialect is how a database product writes what a drafted query needs.
type dialect struct {
	open, close string // around a name that needs quotes
	// join makes one key of several columns.
	join func(columns []string) string
	// top says that the limit stands behind SELECT.
	top bool
}

// separator stands between the columns of a key.
const separator = "'|'"

// cast joins columns with ||, each of them cast.
func cast(to string) func([]string) string {
	return func(columns []string) string {
		parts := make([]string, len(columns))
		for i, c := range columns {
			parts[i] = c
			if to != "" {
				parts[i] = fmt.Sprintf("CAST(%s AS %s)", c, to)
			}
		}
		return strings.Join(parts, " || "+separator+" || ")
	}
}

func concatWS(columns []string) string {
	return "concat_ws(" + separator + ", " + strings.Join(columns, ", ") + ")"
}

func clickhouseJoin(columns []string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = "toString(" + c + ")"
	}
	return "concat(" + strings.Join(parts, ", "+separator+", ") + ")"
}

// dialects by the name of the row getter; others write as the standard does.
var dialects = map[string]dialect{
	"sqlite":     {`"`, `"`, cast(""), false},
	"postgres":   {`"`, `"`, concatWS, false},
	"mysql":      {"`", "`", concatWS, false},
	"sqlserver":  {"[", "]", concatWS, true},
	"clickhouse": {"`", "`", clickhouseJoin, false},
	"trino":      {`"`, `"`, cast("varchar"), false},
	"snowflake":  {`"`, `"`, cast("varchar"), false},
	"bigquery":   {"`", "`", cast("string"), false},
}

func dialectOf(getter string) dialect {
	if d, ok := dialects[getter]; ok {
		return d
	}
	return dialect{`"`, `"`, cast("varchar(200)"), false}
}

// plainName needs no quotes anywhere, unless it is a word of SQL.
var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// reserved are words that some product does not take as a name without quotes, of
// those that tables and columns are called by.
var reserved = strings.Fields(`
	all and any array as asc between both by case cast check collate column constraint create cross current_date
	current_time current_timestamp current_user database default delete desc distinct do drop else end except exists false fetch for
	foreign from full function grant group groups having if in index inner insert intersect interval into is join key keys leading left like
	limit match natural not null of off offset on only or order outer over partition percent plan primary range read references
	right row rows schema select session_user set show some start system table then to top trailing trigger true union unique update
	usage use user using values view when where window with write year month day hour minute second date time timestamp`)

// name writes the name of a table or column, in quotes where it needs them.
func (d dialect) name(name string) string {
	if plainName.MatchString(name) && !slices.Contains(reserved, name) {
		return name
	}
	return d.open + strings.ReplaceAll(name, d.close, d.close+d.close) + d.close
}

func (d dialect) names(names []string) []string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = d.name(n)
	}
	return quoted
}

// limitRows is how many of the newest rows a drafted query asks for.
const limitRows = 10_000

// Query is the query that counts the rows of a table, in the dialect of a row getter.
// key and time are names of columns, as the catalog gives them.
func Query(getter string, t Table, key []string, time string) string {
	d := dialectOf(getter)
	table := d.name(t.Name)
	if t.Schema != "" {
		var parts []string
		for _, part := range strings.Split(t.Schema, ".") {
			parts = append(parts, d.name(part))
		}
		table = strings.Join(parts, ".") + "." + table
	}
	unique := strings.Join(d.names(key), "")
	if len(key) > 1 {
		unique = d.join(d.names(key))
	}
	at := d.name(time)
	width := max(len(unique), len(at))
	top, limit := "", fmt.Sprintf("\nLIMIT %d", limitRows)
	if d.top {
		top, limit = fmt.Sprintf("TOP %d ", limitRows), ""
	}
	return fmt.Sprintf("SELECT %s%-*s AS dwmon_unique_key,\n       %s%-*s AS dwmon_timestamp\nFROM %s\nORDER BY %s DESC%s",
		top, width, unique, strings.Repeat(" ", len(top)), width, at, table, at, limit)
}
