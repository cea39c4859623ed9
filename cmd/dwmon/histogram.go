package main

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/chart"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

func histogramCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "histogram NAME",
		Short: "rows by day of week and hour: when how much comes in",
		Long: `Counts the recorded rows of a checker by day of the week and hour, in the checker's
time zone, and draws them as a heat map. The means are per hour that came: hours that
lie only partly in the time asked for, and hours of which rows may be missing, are left
out, and notes on standard error say so.`,
		Example: `  dwmon histogram billing/new_orders
  dwmon histogram billing/new_orders --since 30d --numbers
  dwmon histogram billing/new_orders --json | jq 'select(.weekday == "MON")'`,
		Args: asUsed,
	}
	settings(cmd, "checks", "db", "timezone")
	lines := asJSON(cmd, "print one JSON object for each hour of the week")
	since := cmd.Flags().String("since", "", "a duration such as 30d, or a time (default all that is recorded)")
	until := cmd.Flags().String("until", "", "a time; not included")
	numbers := cmd.Flags().Bool("numbers", false, "print the means as a table instead of a heat map")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q := daemon.HistogramQuery{Name: args[0], Progress: percentLine(cmd.ErrOrStderr(), "reading rows")}
		var err error
		if q.Since, err = bound(cmd, "--since", *since); err != nil {
			return err
		}
		if q.Until, err = bound(cmd, "--until", *until); err != nil {
			return err
		}
		if q.Since != nil && q.Until != nil && *q.Until <= *q.Since {
			return &usageError{fmt.Errorf("--until %s is not after --since %s", *until, *since), ""}
		}
		return reading(cmd, func(r *daemon.Reader, _ *config.Config) error {
			h, err := r.Histogram(cmd.Context(), q)
			q.Progress(1)
			if err != nil {
				return err
			}
			if *lines {
				return writeCells(cmd.OutOrStdout(), h)
			}
			for _, note := range h.Notes {
				fmt.Fprintln(cmd.ErrOrStderr(), "note:", note)
			}
			p := &page{out: cmd.OutOrStdout()}
			printHistogram(p, h, *numbers)
			return p.err
		})
	}
	return cmd
}

// writeCells writes an object for each hour of the week, Monday first.
func writeCells(out io.Writer, h *daemon.WeekHistogram) error {
	j := newJSONLines(out)
	for d := range h.Cells {
		for hour, c := range h.Cells[d] {
			var mean *float64
			var low, high *int64
			if c.Times > 0 {
				m := math.Round(c.Mean()*1000) / 1000
				mean, low, high = &m, &c.Min, &c.Max
			}
			err := j.write(struct {
				CheckerName string   `json:"checker_name"`
				Weekday     string   `json:"weekday"`
				Hour        int      `json:"hour"`
				Rows        int64    `json:"rows"`
				Times       int64    `json:"times"`
				Mean        *float64 `json:"mean"`
				Min         *int64   `json:"min"`
				Max         *int64   `json:"max"`
				TimeZone    string   `json:"time_zone"`
			}{h.CheckerName, dwmon.DayNames[d], hour, c.Rows, c.Times, mean, low, high, h.Zone.String()})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func printHistogram(out io.Writer, h *daemon.WeekHistogram, numbers bool) {
	at := func(micros int64) string { return words.Stamp(time.UnixMicro(micros).In(h.Zone).Truncate(time.Minute)) }
	line := fmt.Sprintf("%s: %s in %s, %s to %s, %s", h.CheckerName, words.Count(h.Rows, "row", "rows"),
		words.Count(h.Hours, "whole hour", "whole hours"), at(h.From), at(h.Until), words.Zone(h.Zone))
	printWrapped(out, line, columnsOf(out))
	if h.Hours == 0 {
		return
	}
	if h.Weeks() >= 1 { // of less, the hours that are not there would be made up
		fmt.Fprintf(out, "%s weeks, %s rows a week\n", words.Mean(h.Weeks()), words.Mean(float64(h.Rows)/h.Weeks()))
	}
	fmt.Fprintln(out)
	if numbers {
		printMeans(out, h)
	} else {
		printHeatMap(out, h)
	}
}

func printHeatMap(out io.Writer, h *daemon.WeekHistogram) {
	var week chart.Week
	for d := range h.Cells {
		for hour, c := range h.Cells[d] {
			week[d][hour] = chart.Cell{Mean: c.Mean(), Times: int(c.Times)}
		}
	}
	width := columnsOf(out)
	if width > 0 {
		width = max(width, narrowestMap)
	}
	for _, line := range chart.HeatMap(week, width, heat(out)) {
		printWrapped(out, line, width)
	}
	for _, text := range extremes(h) {
		printWrapped(out, text, width)
	}
}

// narrowestMap is the least width that a heat map keeps to.
const narrowestMap = 40

func printWrapped(out io.Writer, line string, width int) {
	if width > 0 {
		line = wrapped(line, width)
	}
	fmt.Fprintln(out, line)
}

// heat paints shades on a terminal, from grey to red; nil elsewhere.
func heat(out io.Writer) chart.PaintShade {
	if !colours(out) {
		return nil
	}
	levels := [chart.Shades]text.Colors{{text.FgHiBlack}, {text.FgBlue}, {text.FgCyan}, {text.FgYellow}, {text.FgRed}}
	return func(level int, s string) string { return levels[level].Sprint(s) }
}

// extremes says in which hours most and fewest rows come.
func extremes(h *daemon.WeekHistogram) []string {
	var most, least string
	high, low := -1.0, math.Inf(1)
	for d := range h.Cells {
		for hour, c := range h.Cells[d] {
			if c.Times == 0 {
				continue
			}
			name := fmt.Sprintf("%s %d:00 (%s, %s to %s)", chart.DayName(d), hour, words.Mean(c.Mean()), words.Number(c.Min), words.Number(c.Max))
			if c.Mean() > high {
				high, most = c.Mean(), name
			}
			if c.Mean() < low {
				low, least = c.Mean(), name
			}
		}
	}
	if high <= low {
		return nil
	}
	return []string{"most:   " + most, "fewest: " + least}
}

// printMeans prints the mean of each hour of the week, and of each hour of the day.
func printMeans(out io.Writer, h *daemon.WeekHistogram) {
	columns := []any{"hour"}
	for _, name := range []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun", "all"} {
		columns = append(columns, atRight(name))
	}
	t := newTable(out, columns...)
	for hour := range 24 {
		row := []any{fmt.Sprintf("%02d:00", hour)}
		var rows, times int64
		for d := range h.Cells {
			c := h.Cells[d][hour]
			rows, times = rows+c.Rows, times+c.Times
			row = append(row, meanText(c.Rows, c.Times))
		}
		t.AppendRow(append(row, meanText(rows, times)))
	}
	t.Render()
}

func meanText(rows, times int64) string {
	if times == 0 {
		return atRight("–")
	}
	return atRight(words.Mean(float64(rows) / float64(times)))
}

// atRight is a number, or what stands above numbers, as wide as most of them.
func atRight(text string) string { return fmt.Sprintf("%5s", text) }
