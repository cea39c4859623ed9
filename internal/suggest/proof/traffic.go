// Package proof tries package suggest on made-up traffic of known shape: lines are
// made from some weeks and judge the weeks after them, in which outages are planted.
package proof

import (
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Shape is what traffic looks like.
type Shape struct {
	// Name is short, What says it in words.
	Name, What string
	// PerDay is the rows of an ordinary working day.
	PerDay float64
	// Night is what is left of the rate at its lowest hour, as a share of the mean;
	// 1: no rhythm.
	Night float64
	// Weekend is the share of the working days' rows that Saturdays and Sundays have.
	Weekend float64
	// Growth is the trend, as a share a week.
	Growth float64
	// DayExtra and ShortExtra are extra variances, as shares: of whole days, and of
	// quarters of an hour.
	DayExtra, ShortExtra float64
	// Bursts is how many a week there are: half an hour at BurstFactor times the rate.
	Bursts, BurstFactor float64
	// Launch is how many weeks the traffic took at its very beginning to get going.
	Launch int
	// Holidays a year have Weekend's share of the rows; Marked says that a calendar
	// knows them.
	Holidays int
	Marked   bool
	// Outages a year are in the history, each some hours at a tenth of the rate.
	Outages int
	// Train is from how many weeks lines are made.
	Train int
	// Office says that rows come from 8:00 to 18:00 on working days only.
	Office bool
}

// Shapes are those that the proof tries.
var Shapes = []Shape{
	{Name: "flat", What: "the same rate all day and all week", PerDay: 10_000, Night: 1, Weekend: 1, Train: 8},
	{Name: "day rhythm", What: "nine times as many rows at 16:00 as at 4:00", PerDay: 10_000, Night: 0.2, Weekend: 1, Train: 8},
	{Name: "week", What: "the same, and 40 % at weekends", PerDay: 10_000, Night: 0.2, Weekend: 0.4, Train: 8},
	{Name: "scattered", What: "the same; days scatter by 8 %, quarters of an hour by 14 % beyond chance", PerDay: 10_000, Night: 0.2, Weekend: 0.4, DayExtra: 0.006, ShortExtra: 0.02, Train: 8},
	{Name: "four weeks", What: "that, made from four weeks", PerDay: 10_000, Night: 0.2, Weekend: 0.4, DayExtra: 0.006, ShortExtra: 0.02, Train: 4},
	{Name: "two weeks", What: "week, made from two", PerDay: 10_000, Night: 0.2, Weekend: 0.4, Train: 2},
	{Name: "half a year", What: "scattered, made from 26 weeks", PerDay: 10_000, Night: 0.2, Weekend: 0.4, DayExtra: 0.006, ShortExtra: 0.02, Train: 26},
	{Name: "trend up", What: "2 % more a week", PerDay: 10_000, Night: 0.2, Weekend: 0.4, Growth: 0.02, Train: 16},
	{Name: "trend down", What: "2 % less a week, days scatter by 4 %", PerDay: 10_000, Night: 0.2, Weekend: 0.4, Growth: -0.02, DayExtra: 0.002, Train: 16},
	{Name: "bursts", What: "three a week: half an hour at four times the rate, also in the weeks that are judged", PerDay: 10_000, Night: 0.2, Weekend: 0.4, Bursts: 3, BurstFactor: 4, Train: 8},
	{Name: "outages", What: "one every other week in the history, a tenth of the rate for one to six hours", PerDay: 10_000, Night: 0.2, Weekend: 0.4, Outages: 26, Train: 8},
	{Name: "holidays", What: "26 a year, in a calendar", PerDay: 10_000, Night: 0.2, Weekend: 0.3, Holidays: 26, Marked: true, Train: 12},
	{Name: "unmarked", What: "17 a year in the history, in none", PerDay: 10_000, Night: 0.2, Weekend: 0.3, Holidays: 17, Train: 12},
	{Name: "launch day", What: "the first three of nine weeks are a ramp", PerDay: 10_000, Night: 0.2, Weekend: 0.4, Launch: 3, Train: 9},
	{Name: "office", What: "5,000 rows a day, from 8:00 to 18:00 on working days only", PerDay: 5_000, Night: 1, Weekend: 0, Office: true, Train: 8},
	{Name: "few rows", What: "1,500 a day", PerDay: 1_500, Night: 0.5, Weekend: 0.6, Train: 8},
	{Name: "many rows", What: "150,000 a day", PerDay: 150_000, Night: 0.2, Weekend: 0.4, DayExtra: 0.004, ShortExtra: 0.01, Train: 8},
}

// Traffic is made-up rows.
type Traffic struct {
	Zone        *time.Location
	From, Until int64
	// Micros are the rows' timestamps, oldest first.
	Micros []int64
	Closed *dwmon.ClosedDays
	// Special are the holidays and bursts: what is not ordinary.
	special map[dwmon.Day]bool
}

// begin is the Monday on which all traffic begins.
var begin = time.Date(2026, 2, 2, 0, 0, 0, 0, berlin)

var berlin = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return zone
}()

// Generate makes some weeks of traffic. The same seed always makes the same.
//
// Outages, and holidays that nobody marked, come in the first weeks only, from which
// lines are made: what is judged afterwards is ordinary but for what is planted there.
func (s Shape) Generate(seed uint64, weeks int) *Traffic {
	src := rand.NewPCG(seed, 0x5eed)
	t := &Traffic{Zone: berlin, From: begin.Unix(), Until: begin.AddDate(0, 0, 7*weeks).Unix(), special: map[dwmon.Day]bool{}}
	g := generator{Shape: s, rng: rand.New(src), src: src, traffic: t, day: -1 << 40}
	g.holidays(weeks)
	for m := t.From; m < t.Until; m += 60 {
		g.minute(m)
	}
	return t
}

type generator struct {
	Shape
	rng     *rand.Rand
	src     *rand.PCG
	traffic *Traffic

	day           dwmon.Day
	dayFactor     float64
	quarter       int64
	quarterFactor float64
	burstUntil    int64
	outageUntil   int64
	closed        map[dwmon.Day]string
	inMinute      []int64
}

// holidays draws them; they fall on working days.
func (g *generator) holidays(weeks int) {
	g.closed = map[dwmon.Day]string{}
	if !g.Marked {
		weeks = min(weeks, g.Train)
	}
	for range g.Holidays * weeks / 52 {
		day := begin.AddDate(0, 0, 7*g.rng.IntN(weeks)+g.rng.IntN(5))
		g.closed[dwmon.DayOf(day.Date())] = "holiday"
	}
	for d := range g.closed {
		g.traffic.special[d] = true
	}
	if g.Marked {
		g.traffic.Closed = dwmon.NewClosedDays(g.closed)
	}
}

// gamma draws a factor with mean 1 and a variance.
func (g *generator) gamma(variance float64) float64 {
	if variance == 0 {
		return 1
	}
	return distuv.Gamma{Alpha: 1 / variance, Beta: 1 / variance, Src: g.src}.Rand()
}

func (g *generator) minute(m int64) {
	local := time.Unix(m, 0).In(berlin)
	if day := dwmon.DayOf(local.Date()); day != g.day {
		g.day, g.dayFactor = day, g.gamma(g.DayExtra)
	}
	if q := m / 900; q != g.quarter {
		g.quarter, g.quarterFactor = q, g.gamma(g.ShortExtra)
	}
	if g.rng.Float64() < g.Bursts/10080 {
		g.burstUntil = m + 1800
	}
	if m < begin.AddDate(0, 0, 7*g.Train).Unix() && g.rng.Float64() < float64(g.Outages)/(52*10080) {
		g.outageUntil = m + 3600*int64(1+g.rng.IntN(6))
	}
	rate := g.rate(local) * g.dayFactor * g.quarterFactor
	if m < g.burstUntil {
		rate *= g.BurstFactor
	}
	if m < g.outageUntil && g.Outages > 0 {
		rate *= 0.1
	}
	if rate <= 0 {
		return
	}
	n := int(distuv.Poisson{Lambda: rate, Src: g.src}.Rand())
	g.inMinute = g.inMinute[:0]
	for range n {
		g.inMinute = append(g.inMinute, m*1e6+g.rng.Int64N(60e6))
	}
	g.traffic.Micros = append(g.traffic.Micros, g.inMinute...)
}

// rate is the expected rows of a minute in ordinary times.
func (g *generator) rate(local time.Time) float64 {
	perMinute := g.PerDay / 1440
	hour := float64(local.Hour()) + float64(local.Minute())/60
	weekend := local.Weekday() == time.Saturday || local.Weekday() == time.Sunday
	if g.Office {
		if weekend || hour < 8 || hour >= 18 {
			return 0
		}
		return g.PerDay / 600
	}
	// Lowest at 4:00, highest at 16:00; the mean is 1.
	perMinute *= 1 - (1-g.Night)*math.Cos((hour-4)/12*math.Pi)
	if _, holiday := g.closed[g.day]; weekend || holiday {
		perMinute *= g.Weekend
	}
	week := float64(local.Unix()-g.traffic.From) / (7 * 86400)
	perMinute *= math.Pow(1+g.Growth, week)
	if g.Launch > 0 {
		perMinute *= min(1, 0.05+0.95*math.Pow(week/float64(g.Launch), 2))
	}
	return perMinute
}
