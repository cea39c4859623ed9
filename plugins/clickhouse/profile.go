package main

import (
	"fmt"
	"slices"
	"strings"
)

// Settings of a profile that would make a part of a result look like the whole: at
// a limit the server ends the result and says nothing (clickhouse-go#804), leaves
// out shards that are down, or adds rows that are none. A low count would alert.
// The values are as they stand in a SET.
var wholeness = map[string]string{
	"timeout_overflow_mode":      "'throw'",
	"timeout_overflow_mode_leaf": "'throw'",
	"read_overflow_mode":         "'throw'",
	"read_overflow_mode_leaf":    "'throw'",
	"result_overflow_mode":       "'throw'",
	"group_by_overflow_mode":     "'throw'",
	"sort_overflow_mode":         "'throw'",
	"distinct_overflow_mode":     "'throw'",
	"set_overflow_mode":          "'throw'",
	"join_overflow_mode":         "'throw'",
	"transfer_overflow_mode":     "'throw'",
	"skip_unavailable_shards":    "0",
	"extremes":                   "0",
}

// profileQuery asks for the settings that matter here. Those that the server's
// version does not know are not in its answer.
var profileQuery = func() string {
	names := []string{"readonly", "max_execution_time", "session_timezone"}
	for name := range wholeness {
		names = append(names, name)
	}
	slices.Sort(names)
	return "SELECT name, value FROM system.settings WHERE name IN ('" + strings.Join(names, "', '") + "')"
}()

// profileFault is of a user whose profile this plugin can neither work with nor
// change.
type profileFault struct{ text string }

func (f profileFault) Error() string { return f.text }

// sessionSettings returns the statement that makes a session of that profile what
// the getter rests on: read only, results whole, in the DSN's zone. It is empty
// where nothing is to be set, and an error where something would have to be but the
// profile allows no changes.
//
// Read only is 2 and not 1: under 1 not even the time limit of a query can be told.
// It comes last, since nothing that it forbids may follow it.
func sessionSettings(profile map[string]string, zone string) (string, error) {
	fixed := profile["readonly"] == "1"
	var set, wrong []string
	for name, want := range wholeness {
		value, known := profile[name]
		if !known || value == strings.Trim(want, "'") {
			continue
		}
		set = append(set, name+" = "+want)
		wrong = append(wrong, name+" = "+value)
	}
	slices.Sort(set)
	slices.Sort(wrong)
	if fixed {
		if len(wrong) > 0 {
			return "", profileFault{fmt.Sprintf("the user's profile has %s, with which a part of a result looks like the whole, "+
				"and readonly = 1, so that it cannot be changed; give the user a profile with readonly = 2", strings.Join(wrong, ", "))}
		}
		return "", nil
	}
	if now, known := profile["session_timezone"]; known && now != zone {
		set = append(set, "session_timezone = '"+zone+"'")
	}
	if profile["readonly"] != "2" {
		set = append(set, "readonly = 2")
	}
	if len(set) == 0 {
		return "", nil
	}
	return "SET " + strings.Join(set, ", "), nil
}
