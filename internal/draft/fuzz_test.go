package draft

import (
	"slices"
	"strings"
	"testing"
)

// FuzzCatalog: whatever a source lists as its tables, each column of them was in the list,
// what is proposed is one of them, and a checker that is drafted of it has the query that
// names it.
func FuzzCatalog(f *testing.F) {
	f.Add("\torders\tid\tuuid\tkey\n\torders\tcreatedAt\ttimestamp\t\npublic\tusers\tuser_id\tbigint\tunique\npublic\tusers\tlast seen\tdate\t", "public.USERS")
	f.Add("a\tb\tc\td\n\t\t\t\t\n\tx\ty\t\xff\tkey\n\tx\tY\tNullable(DateTime)\t", "x")
	f.Fuzz(func(t *testing.T, text, name string) {
		keys := strings.Split(text, "\n")
		tables := Catalog(keys)
		columns := 0
		for _, table := range tables {
			columns += len(table.Columns)
			for _, c := range table.Columns {
				if !slices.ContainsFunc(keys, func(key string) bool {
					return strings.HasPrefix(key, table.Schema+"\t"+table.Name+"\t"+c.Name+"\t"+c.Type+"\t")
				}) {
					t.Fatalf("%q has no column %+v of %q", text, c, table.FullName())
				}
			}
			for _, proposed := range slices.Concat(table.ProposeKey(), table.ProposeTimes()) {
				if _, ok := table.Column(proposed); !ok {
					t.Fatalf("%q is proposed of %+v", proposed, table)
				}
			}
		}
		if columns > len(keys) {
			t.Fatalf("%d columns of %d lines", columns, len(keys))
		}
		if found, ok := FindTable(tables, name); ok && !strings.EqualFold(found.FullName(), name) {
			t.Fatalf("%q is said to be %q", name, found.FullName())
		}
	})
}
