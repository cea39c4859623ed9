package faultreport

import (
	"encoding/json"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// The parts of SARIF 2.1.0 that are written.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri,omitempty"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string      `json:"id"`
		ShortDescription sarifText   `json:"shortDescription"`
		Configuration    sarifConfig `json:"defaultConfiguration"`
	}
	sarifConfig struct {
		Level dwmon.Severity `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     dwmon.Severity  `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
		Fixes     []sarifFix      `json:"fixes,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndColumn   int `json:"endColumn"`
	}
	sarifFix struct {
		Description sarifText     `json:"description"`
		Changes     []sarifChange `json:"artifactChanges"`
	}
	sarifChange struct {
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		Deleted  sarifRegion `json:"deletedRegion"`
		Inserted sarifText   `json:"insertedContent"`
	}
)

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// SARIF writes the faults as a SARIF 2.1.0 log, for code review. version is dwmon's
// own. Paths stay relative to the working directory where they were given so.
func SARIF(w io.Writer, faults []dwmon.FileFault, version string) error {
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "dwmon", Version: version, Rules: make([]sarifRule, len(dwmon.FaultRules))}},
		ColumnKind: "unicodeCodePoints",
		Results:    make([]sarifResult, len(faults)),
	}
	for i, r := range dwmon.FaultRules {
		run.Tool.Driver.Rules[i] = sarifRule{r.Code, sarifText{r.Summary}, sarifConfig{r.Severity}}
	}
	for i := range faults {
		run.Results[i] = sarifOf(&faults[i])
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(sarifLog{sarifSchema, "2.1.0", []sarifRun{run}})
}

func sarifOf(f *dwmon.FileFault) sarifResult {
	r := sarifResult{
		RuleID: f.Rule(), Level: f.Severity, Message: sarifText{whole(f)},
		RuleIndex: slices.IndexFunc(dwmon.FaultRules, func(r dwmon.FaultRule) bool { return r.Code == f.Rule() }),
	}
	if f.Line == 0 && isSetting(f.File) {
		if f.File != "" {
			r.Message.Text = f.File + ": " + r.Message.Text
		}
		return r
	}
	file := sarifArtifact{fileURI(f.File)}
	at := sarifPhysical{Artifact: file}
	if f.Line > 0 {
		at.Region = &sarifRegion{f.Line, max(f.Column, 1), endColumn(f)}
	}
	r.Locations = []sarifLocation{{at}}
	if f.Edit.Mends() && f.Line > 0 {
		what := sarifText{"write " + f.Edit.With}
		if f.Edit.With == "" {
			what.Text = "remove it"
		}
		r.Fixes = []sarifFix{{what, []sarifChange{{file, []sarifReplacement{{sarifRegion{f.Line, max(f.Column, 1), f.Edit.Until}, sarifText{f.Edit.With}}}}}}}
	}
	return r
}

// fileURI is a path as SARIF has it: a relative reference, or a file URI.
func fileURI(file string) string {
	slashed := filepath.ToSlash(file)
	if !filepath.IsAbs(file) {
		// String writes ./ before a first part that would be taken for a scheme.
		return (&url.URL{Path: path.Clean(slashed)}).String()
	}
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a drive of Windows
	}
	return (&url.URL{Scheme: "file", Path: slashed}).String()
}
