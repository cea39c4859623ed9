package demo

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"
	_ "time/tzdata" // the partner lives in Berlin, whatever this machine knows of it
)

// stream is a table in which records arrive.
type stream struct {
	table  string
	schema string // columns of the table
	// history is how far back its records reach when the demo begins. It covers
	// what the first pass of its checker looks at: ten look-backs and one more.
	history time.Duration
	// arrivals gives the moments in from ≤ at < until at which something arrives,
	// in order.
	arrivals func(w *World, from, until time.Time) []arrival
	// rows are the records of one arrival.
	rows func(a arrival) [][]any
}

// arrival is one moment of a stream. Its random numbers belong to it alone: they
// are the same however the time around it was cut.
type arrival struct {
	n      int64 // serial number, the same for a moment in every run
	at     time.Time
	random *rand.Rand
}

// Incidents, by the number of the minute since the epoch.
const (
	pauseEvery, pauseAt = 7, 3  // no applications
	burstEvery, burstAt = 15, 9 // four times as many executions
)

// minuteOf says whether t lies in the minute at of every so many.
func minuteOf(t time.Time, every, at int64) bool { return t.Unix()/60%every == at }

const halfDay = 12 * time.Hour

// streams are the tables of the world, one for each example checker.
var streams = []stream{
	{
		table:   "model_executions",
		schema:  "execution_id INTEGER PRIMARY KEY, ts INTEGER NOT NULL, model TEXT NOT NULL",
		history: halfDay, arrivals: steadily("model_executions", 12*time.Second),
		rows: func(a arrival) [][]any {
			runs := int64(1)
			if minuteOf(a.at, burstEvery, burstAt) {
				runs = 4
			}
			var rows [][]any
			for i := range runs {
				rows = append(rows, []any{a.n*4 + i, a.at.Unix(), pick(a, "credit", "fraud", "industry")})
			}
			return rows
		},
	},
	{
		table:   "applications",
		schema:  "application_id TEXT PRIMARY KEY, created_at TEXT NOT NULL, product TEXT NOT NULL, amount INTEGER NOT NULL",
		history: halfDay, arrivals: steadily("applications", 8*time.Second),
		rows: func(a arrival) [][]any {
			if minuteOf(a.at, pauseEvery, pauseAt) {
				return nil
			}
			row := func(product string) []any {
				id := fmt.Sprintf("%s-%08x", strings.ToUpper(product[:1]), a.n)
				return []any{id, a.at.UTC().Format(time.DateTime), product, 500 * (1 + a.random.IntN(80))}
			}
			rows := [][]any{row("loan")}
			if a.random.IntN(3) == 0 {
				rows = append(rows, row("card"))
			}
			return rows
		},
	},
	{
		table:   "devices",
		schema:  "serial TEXT PRIMARY KEY, kind TEXT NOT NULL",
		history: time.Hour, arrivals: steadily("devices", 20*time.Second),
		rows: func(a arrival) [][]any {
			return [][]any{{fmt.Sprintf("SN%010d", a.n), pick(a, "scanner", "printer", "till")}}
		},
	},
	{
		table:   "sensor_readings",
		schema:  "sensor TEXT NOT NULL, measured_at INTEGER NOT NULL, celsius REAL NOT NULL",
		history: halfDay, arrivals: steadily("sensor_readings", 15*time.Second),
		rows: func(a arrival) [][]any {
			sensor := []string{"north", "east", "south", "west"}[a.n%4]
			return [][]any{{sensor, a.at.Unix(), -18 + float64(a.random.IntN(30))/10}}
		},
	},
	{
		table:   "partner_files",
		schema:  "file_name TEXT PRIMARY KEY, received_at INTEGER NOT NULL, bytes INTEGER NOT NULL",
		history: 8 * 24 * time.Hour, arrivals: partnerFiles,
		rows: func(a arrival) [][]any {
			name := "settlement-" + a.at.In(berlin).Format("2006-01-02-15") + "h.csv"
			return [][]any{{name, a.at.Unix(), 40_000 + a.random.IntN(20_000)}}
		},
	},
	{
		table:   "error_reports",
		schema:  "reported_at INTEGER NOT NULL, report TEXT NOT NULL",
		history: halfDay, arrivals: steadily("error_reports", 150*time.Second),
		rows: func(a arrival) [][]any { return [][]any{{a.at.Unix(), report(a)}} },
	},
}

// steadily has one arrival in each step of the time, at a random moment of it.
func steadily(table string, step time.Duration) func(*World, time.Time, time.Time) []arrival {
	return func(w *World, from, until time.Time) []arrival {
		var all []arrival
		for n := from.UnixNano() / int64(step); n*int64(step) < until.UnixNano(); n++ {
			a := w.arrival(table, n)
			a.at = time.Unix(0, n*int64(step)+a.random.Int64N(int64(step)))
			if !a.at.Before(from) && a.at.Before(until) {
				all = append(all, a)
			}
		}
		return all
	}
}

var berlin = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err) // the time zone database is linked in
	}
	return zone
}()

// partnerFiles arrive between 8:35 and 8:55 and between 12:35 and 12:55 in
// Berlin, at weekends between 11:35 and 11:55 only.
func partnerFiles(w *World, from, until time.Time) []arrival {
	var all []arrival
	for day := from.In(berlin).AddDate(0, 0, -1); day.Before(until.AddDate(0, 0, 1)); day = day.AddDate(0, 0, 1) {
		hours := []int{8, 12}
		if d := day.Weekday(); d == time.Saturday || d == time.Sunday {
			hours = []int{11}
		}
		for _, hour := range hours {
			begin := time.Date(day.Year(), day.Month(), day.Day(), hour, 35, 0, 0, berlin)
			a := w.arrival("partner_files", begin.Unix())
			a.at = begin.Add(time.Duration(a.random.Int64N(int64(20 * time.Minute))))
			if !a.at.Before(from) && a.at.Before(until) {
				all = append(all, a)
			}
		}
	}
	return all
}

// arrival makes the nth of a table, its time to be filled in.
func (w *World) arrival(table string, n int64) arrival {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", w.seed, table)
	return arrival{n: n, random: rand.New(rand.NewPCG(h.Sum64(), uint64(n)))}
}

func pick(a arrival, of ...string) string { return of[a.random.IntN(len(of))] }

// report is a long text of many lines, as a browser sends it.
func report(a arrival) string {
	var b strings.Builder
	fmt.Fprintf(&b, "TypeError: %s is not a function\n", pick(a, "cart.total", "form.validate", "user.name"))
	for range 20 + a.random.IntN(20) {
		fmt.Fprintf(&b, "    at %s (https://shop.example.com/static/app-%04x.js:%d:%d)\n",
			pick(a, "render", "update", "dispatch", "flush", "onClick"), a.random.IntN(1<<16), 1+a.random.IntN(4000), 1+a.random.IntN(120))
	}
	return b.String()
}
