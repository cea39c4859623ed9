package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
)

func incidentsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "incidents [NAME]",
		Short: "what is wrong, since when, and who was told",
		Long: `Shows the incidents that are open, of all checkers or of one: what is wrong and since
when, who was told, who has acknowledged it, and which silence keeps it quiet. --all
shows those that are over too.`,
		Example: `  dwmon incidents
  dwmon incidents billing/new_orders --all --limit 20
  dwmon incidents --json`,
		Args: asUsed,
	}
	settings(cmd, "db", "timezone")
	all := cmd.Flags().Bool("all", false, "those that are over too")
	limit := limitFlag(cmd, 100, "only the newest so many; 0: all")
	lines := asJSON(cmd, "print one JSON object for each incident")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := ""
		if len(args) > 0 {
			name = args[0]
		}
		return reading(cmd, func(r *daemon.Reader, cfg *config.Config) error {
			now := time.Now()
			records, err := r.IncidentRecords(cmd.Context(), name, *all, int(*limit), now)
			if err != nil {
				return err
			}
			if len(records) == int(*limit) {
				defer limit.noteCut(cmd, "newest")
			}
			if !*lines {
				return printIncidents(cmd, records, *all, cfg.Timezone)
			}
			j := newJSONLines(cmd.OutOrStdout())
			for _, rec := range records {
				if err := j.write(rec); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}

func printIncidents(cmd *cobra.Command, records []dwmon.IncidentRecord, all bool, zone *time.Location) error {
	out := cmd.OutOrStdout()
	if len(records) == 0 {
		text := "no incident is open"
		if all {
			text = "there was no incident"
		}
		_, err := fmt.Fprintln(out, text)
		return err
	}
	t := newNoted(out, "id", "about", "state", "since", "lasted")
	for i := range records {
		r := &records[i]
		lasted := short(r.Lasted())
		if r.Closed == nil {
			lasted += " so far"
		}
		t.row(incidentNotes(r, zone), fmt.Sprint(r.ID), r.About(), painted(out, string(r.State())),
			time.Unix(r.Opened, 0).In(zone).Format("2006-01-02 15:04"), lasted)
	}
	return t.print()
}

// incidentNotes are what stands below an incident's row.
func incidentNotes(r *dwmon.IncidentRecord, zone *time.Location) (notes []string) {
	now := time.UnixMicro(r.Now)
	if why := r.Why(); why != "" {
		notes = append(notes, why)
	}
	if r.Closed != nil {
		notes = append(notes, incidentEnds[r.End]+" at "+time.Unix(*r.Closed, 0).In(zone).Format("2006-01-02 15:04"))
	}
	notes = append(notes, toldNote(r, now))
	if a := r.Acknowledged(); a != nil {
		notes = append(notes, a.Text(now, zone))
	}
	if s := r.Silenced; s != nil {
		notes = append(notes, fmt.Sprintf("%s (silence %d)", s.Text(now, zone), s.ID))
	}
	return notes
}

var incidentEnds = map[dwmon.IncidentEnd]string{
	dwmon.EndRecovered:   "recovered",
	dwmon.EndLineChanged: "its line was changed or removed",
	dwmon.EndOff:         "the checker was switched off, or its file went away,",
	dwmon.EndForgotten:   "the checker was forgotten",
}

// toldNote says who was told, how often, and when last.
func toldNote(r *dwmon.IncidentRecord, now time.Time) string {
	var told []string
	for _, name := range slices.Sorted(maps.Keys(r.Told)) {
		a := r.Told[name]
		if a.Told == 0 {
			continue
		}
		text := fmt.Sprintf("%s (%s", name, ago(now, time.UnixMicro(a.At)))
		if a.Told > 1 {
			text = fmt.Sprintf("%s (%d times, last %s", name, a.Told, ago(now, time.UnixMicro(a.At)))
		}
		if a.Ended {
			text += ", and of its end"
		}
		told = append(told, text+")")
	}
	if len(told) == 0 {
		return "nobody was told"
	}
	return "told: " + strings.Join(told, ", ")
}
