// Package sqlgetter is the part that the shipped SQL row getters share: where the
// source is, the pool of connections to it, and one fetch from start to end. What
// a database product adds (its driver, how a transaction is made read only and
// bounded in time, what its errors mean) is a [Product] and lives in the plugin of
// that name.
//
// Rules, each from something seen to go wrong:
//
//   - The checker's text goes through QueryContext only: an Exec without arguments
//     takes several statements in some drivers, and so escapes a read-only
//     transaction. The guard against writing remains the database role.
//   - A fetch that stops early cancels its context before it closes the rows: a
//     close alone reads the rest of the result first.
//   - rows.Err is always looked at: a result that ends early looks like a short one,
//     and a low count raises an alert.
//   - The server is told the time limit too: a client that goes away does not stop
//     a query everywhere.
//   - No error text holds a password.
package sqlgetter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // a minimal container has no time zone database

	"github.com/dwmon/dwmon/pluginsdk"
)

// Version of the shipped SQL row getters.
const Version = "0.1.0"

// Product is a database product, as its plugin describes it.
type Product struct {
	// Name of the plugin.
	Name    string
	Summary string
	// Schemes begin the URLs of its sources. The plugin claims them.
	Schemes []string
	// Rewrite turns what people write for this product into a URL that
	// [ParseDSN] takes; nil where nothing is to be rewritten.
	Rewrite func(dsn string) string
	// Catalog is the query that lists tables and columns: pluginsdk.Plugin.CatalogQuery.
	Catalog string
	// WriteProbe is a statement that would write nothing that lasts, and that must be
	// refused: pluginsdk.Plugin.WriteProbe. It need not give rows.
	WriteProbe string
	// Writable lists what the account may write: pluginsdk.Plugin.WritableQuery; empty
	// where the product cannot be asked.
	Writable string
	// Example is a URL, for the texts of errors.
	Example string
	// Check finds what is wrong with a query without asking the database; nil
	// where the server sees to everything.
	Check func(query string) error
	// Open prepares a database without connecting to it. Its error is about
	// the DSN and holds no password.
	Open func(DSN) (Database, error)
}

// Bounds of the setting max_open.
const (
	defaultMaxOpen = 4
	maxMaxOpen     = 8
)

// settings are those of every SQL row getter.
type settings struct {
	DSN      string `json:"dsn" secret:"true" doc:"the database, as a URL; left out: the checker's SOURCE section is the URL"`
	Timezone string `json:"timezone" doc:"zone of timestamps that carry none, and of the session, such as Europe/Berlin; default UTC"`
	MaxOpen  int    `json:"max_open" doc:"most connections to one database at the same time, 1 to 8; default 4, which is also how many fetches of a source run at a time"`
}

// Plugin returns the whole row getter plugin of a product.
func Plugin(p Product) pluginsdk.Plugin {
	g := &getter{product: p, settings: settings{MaxOpen: defaultMaxOpen}}
	return pluginsdk.Plugin{
		Name:         p.Name,
		Version:      Version,
		Summary:      p.Summary,
		Settings:     &g.settings,
		Setup:        g.setup,
		Shutdown:     g.shutdown,
		Health:       g.health,
		RowGetter:    g,
		Sources:      p.Schemes,
		CatalogQuery: p.Catalog,
		Limits:       pluginsdk.Limits{GetRows: maxMaxOpen},

		WriteProbe:    p.WriteProbe,
		WritableQuery: p.Writable,
	}
}

// getter is the row getter of one instance.
type getter struct {
	product  Product
	settings settings
	location *time.Location
	pools    pools
}

// setup checks the settings. It does not connect: a database that is down is no
// fault of the settings.
func (g *getter) setup(context.Context) error {
	if n := g.settings.MaxOpen; n < 1 || n > maxMaxOpen {
		return pluginsdk.ConfigError(fmt.Errorf("max_open is %d; 1 to %d are allowed", n, maxMaxOpen))
	}
	loc, err := loadLocation(g.settings.Timezone)
	if err != nil {
		return pluginsdk.ConfigError(fmt.Errorf("timezone: %w", err))
	}
	g.location = loc
	if g.settings.DSN == "" {
		return nil
	}
	_, err = g.open(g.settings.DSN)
	if err != nil {
		return pluginsdk.ConfigError(fmt.Errorf("dsn: %w", err))
	}
	return nil
}

func (g *getter) shutdown(ctx context.Context) error { return g.pools.close(ctx) }

// health connects once. Without a dsn there is nothing to connect to.
func (g *getter) health(ctx context.Context) error {
	if g.settings.DSN == "" {
		return nil
	}
	return g.with("", func(p *pool) error { return p.ping(ctx) })
}

// GetRows runs the query in a read-only transaction.
func (g *getter) GetRows(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
	if err := g.check(q.Text); err != nil {
		return pluginsdk.CheckerError(err)
	}
	return g.with(q.Source, func(p *pool) error { return p.fetch(ctx, q.Text, out, q.Text == g.product.WriteProbe) })
}

// check looks at a query without asking the database.
func (g *getter) check(query string) error {
	if query == "" {
		return errors.New("the query is empty")
	}
	if g.product.Check == nil {
		return nil
	}
	return g.product.Check(query)
}

// ValidateChecker reports what can be seen without connecting: a query that is
// refused here, a SOURCE that is no database.
func (g *getter) ValidateChecker(_ context.Context, c pluginsdk.CheckerText) []pluginsdk.Diagnostic {
	var found []pluginsdk.Diagnostic
	report := func(code, summary string) {
		found = append(found, pluginsdk.Diagnostic{Severity: pluginsdk.SeverityError, Code: code, Summary: summary})
	}
	if err := g.check(c.Text); err != nil {
		report("query", "QUERY: "+err.Error())
	}
	if g.settings.DSN == "" {
		if _, err := g.open(c.Source); err != nil {
			report("source", "SOURCE: "+err.Error())
		}
	}
	return found
}

// with calls f with the pool of a source. The setting dsn wins; without it, the
// SOURCE section is the URL, and whatever is wrong with it is the checker's fault:
// other checkers of this instance have other sources.
func (g *getter) with(source string, f func(*pool) error) error {
	dsn, wrong, what := g.settings.DSN, pluginsdk.ConfigError, "dsn"
	if dsn == "" {
		dsn, wrong, what = source, pluginsdk.CheckerError, "SOURCE"
	}
	p, release, err := g.pools.get(dsn, func() (*pool, error) {
		db, err := g.open(dsn)
		if err != nil {
			return nil, err
		}
		return newPool(db, g.settings.MaxOpen, g.settings.DSN == ""), nil
	})
	if err != nil {
		return wrong(fmt.Errorf("%s: %w", what, err))
	}
	defer release()
	return f(p)
}

// open reads a DSN and prepares its database.
func (g *getter) open(raw string) (opened, error) {
	if g.product.Rewrite != nil {
		raw = g.product.Rewrite(raw)
	}
	dsn, err := g.parse(raw)
	if err != nil {
		return opened{}, err
	}
	db, err := g.product.Open(dsn)
	if err != nil {
		return opened{}, errors.New(dsn.redact(err.Error()))
	}
	return opened{Database: db, dsn: dsn}, nil
}

// opened is a database with the DSN it came from.
type opened struct {
	Database
	dsn DSN
}

// loadLocation finds a time zone by its name; an empty name is UTC. Local is
// refused: the servers are told the zone by its name.
func loadLocation(name string) (*time.Location, error) {
	if strings.EqualFold(name, "local") {
		return nil, fmt.Errorf("%q differs between machines; name the zone, such as Europe/Berlin", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("there is no time zone %q; use a name such as UTC or Europe/Berlin", name)
	}
	return loc, nil
}
