package words

import "github.com/dwmon/dwmon/internal/dwmon"

// Remarks are what a line does that its reader may not expect: windows laid end to
// end that are open at both ends, and bounds that nothing can break.
func Remarks(r dwmon.Requirement) []string {
	var remarks []string
	if r.Min.N == 0 && !r.Max.Set {
		remarks = append(remarks, "no count is ever BAD: MINNUM0 without MAXNUM asks for nothing")
	}
	if !r.HalfOpen && r.Lookback == r.Cadence() {
		remarks = append(remarks, "its windows lie end to end and are open at both ends: a row stamped exactly where one ends and the next begins counts in neither; HALFOPEN would count it")
	}
	return remarks
}
