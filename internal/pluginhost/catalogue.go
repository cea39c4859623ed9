package pluginhost

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/pluginsdk"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// Kind is a kind of work that a plugin does.
type Kind string

const (
	RowGetter    Kind = "row_getter"
	CheckHandler Kind = "check_handler"
	Purger       Kind = "purger"
)

// Plugin is what is known of a file of the plugins folder: `dwmon plugin list`.
type Plugin struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Kinds   []Kind `json:"kinds"`
	// State of the file, or the state of its instances that needs most attention.
	State  State  `json:"state"`
	SHA256 string `json:"sha256"`
	Path   string `json:"path"`
	// Bridge is the plugin that runs a bundle; SHA256 is then the bundle's, and Path
	// its manifest.
	Bridge string `json:"bridge,omitempty"`
	// Err says why it cannot be used, or what its last trouble was.
	Err string `json:"error"`

	// Protocol is the major version of the protocol; 0 where it is not known.
	Protocol  int            `json:"protocol,omitempty"`
	SDK       string         `json:"sdk,omitempty"`
	Summary   string         `json:"summary,omitempty"`
	Warnings  []string       `json:"warnings,omitempty"`
	Instances []InstanceInfo `json:"instances,omitempty"`

	// Sources are names or URL schemes that a SOURCE may have to be served by this
	// row getter.
	Sources []string `json:"sources,omitempty"`
	// DefaultOn, Statuses and Notices are the check handler's: of which results it
	// wants to be told, and whether HandleNotice is served.
	DefaultOn dwmon.On       `json:"-"`
	Statuses  []dwmon.Status `json:"-"`
	Notices   bool           `json:"-"`

	// Refusal is set where it is REJECTED or a CONFLICT.
	Refusal *Refusal `json:"-"`
	// Unheard says that nothing is known yet of what it does: it may serve anything.
	Unheard bool `json:"-"`
}

// Serves says whether the plugin does a kind of work.
func (p *Plugin) Serves(k Kind) bool { return slices.Contains(p.Kinds, k) }

// InstanceInfo is the life of one instance.
type InstanceInfo struct {
	ID    string `json:"id"`
	State State  `json:"state"`
	// SinceEpoch is when the state began.
	SinceEpoch int64 `json:"since_epoch"`
	Pid        int   `json:"pid,omitempty"`
	// Generation counts the files that it has run.
	Generation int `json:"generation"`
	// Restarts counts starts beyond the first.
	Restarts int `json:"restarts"`
	InFlight int `json:"in_flight"`
	// MemoryBytes is what the process and its descendants hold in memory; 0 where
	// that is not known. MemoryLimitBytes is limits.memory_mb; 0 for none.
	MemoryBytes      int64 `json:"memory_bytes,omitempty"`
	MemoryLimitBytes int64 `json:"memory_limit_bytes,omitempty"`
	// Attached says that dwmon has not started the process and will not end it.
	Attached bool `json:"attached,omitempty"`
	// Calls and Failed count since the host's start.
	Calls  int64 `json:"calls"`
	Failed int64 `json:"failed"`
	// LastError is the last thing that went wrong with the process, not with calls.
	LastError string `json:"last_error,omitempty"`
}

// fill takes over what the plugin said.
func (p *Plugin) fill(d *pluginv1.DescribeResponse) {
	p.State = StateVerified
	p.Version = d.GetVersion()
	p.Summary = cutText(d.GetSummary(), 300)
	p.Protocol, p.SDK = pluginsdk.ProtocolVersion, cutText(d.GetSdk(), 100)
	p.Kinds = kindsOf(d)
	p.Sources = d.GetRowGetter().GetSources()
	p.Sources = p.Sources[:min(len(p.Sources), maxSources)]
	if h := d.GetCheckHandler(); h != nil {
		p.Notices = h.GetNotices()
		p.DefaultOn = defaultOn(h.GetDefaultOn())
		p.Statuses = statusesOf(h.GetStatuses())
	}
}

// maxSources bounds the names that a row getter may claim.
const maxSources = 100

func kindsOf(d *pluginv1.DescribeResponse) []Kind {
	kinds := []Kind{}
	if d.GetRowGetter() != nil {
		kinds = append(kinds, RowGetter)
	}
	if d.GetCheckHandler() != nil {
		kinds = append(kinds, CheckHandler)
	}
	if d.GetPurger() != nil {
		kinds = append(kinds, Purger)
	}
	return kinds
}

// maxConcurrency is what the plugin says of a kind; 0: no limit of its own.
func maxConcurrency(d *pluginv1.DescribeResponse, k Kind) int {
	switch k {
	case RowGetter:
		return int(d.GetRowGetter().GetMaxConcurrency())
	case CheckHandler:
		return int(d.GetCheckHandler().GetMaxConcurrency())
	default:
		return int(d.GetPurger().GetMaxConcurrency())
	}
}

func defaultOn(on pluginv1.HandleOn) dwmon.On {
	switch on {
	case pluginv1.HandleOn_HANDLE_ON_BAD:
		return dwmon.OnBad
	case pluginv1.HandleOn_HANDLE_ON_CHANGE:
		return dwmon.OnChange
	default:
		return dwmon.OnEvery
	}
}

// statusesOf reads which results a handler takes: GOOD and BAD where it says
// nothing.
func statusesOf(list []pluginv1.CheckStatus) []dwmon.Status {
	var out []dwmon.Status
	for _, s := range list {
		switch s {
		case pluginv1.CheckStatus_CHECK_STATUS_GOOD:
			out = append(out, dwmon.Good)
		case pluginv1.CheckStatus_CHECK_STATUS_BAD:
			out = append(out, dwmon.Bad)
		case pluginv1.CheckStatus_CHECK_STATUS_UNKNOWN:
			out = append(out, dwmon.Unknown)
		}
	}
	if len(out) == 0 {
		return []dwmon.Status{dwmon.Good, dwmon.Bad}
	}
	return out
}

var versionForm = regexp.MustCompile(`^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$`)

// checkDescribe says what a plugin may not say of itself.
func checkDescribe(name string, d *pluginv1.DescribeResponse, hostVersion string) error {
	if d.GetName() != name {
		return fmt.Errorf("it calls itself %s, but its file is named for %q: rename one of them", quoteCut(d.GetName(), 80), name)
	}
	if len(d.GetVersion()) > 100 || !versionForm.MatchString(d.GetVersion()) {
		return fmt.Errorf("its version %s is no semantic version such as 0.1.0", quoteCut(d.GetVersion(), 80))
	}
	if len(kindsOf(d)) == 0 {
		return errors.New("it serves neither row getter nor check handler nor purger: set one of them in pluginsdk.Plugin")
	}
	if older(hostVersion, d.GetMinHostVersion()) {
		return fmt.Errorf("it needs dwmon %s or newer, this is %s", quoteCut(d.GetMinHostVersion(), 80), hostVersion)
	}
	return nil
}

// older compares the numbers of two versions. One that is none, such as that of a
// development build, is older than nothing.
func older(have, want string) bool {
	h, okH := versionNumbers(have)
	w, okW := versionNumbers(want)
	return okH && okW && slices.Compare(h, w) < 0
}

func versionNumbers(v string) ([]int, bool) {
	v = strings.TrimPrefix(v, "v")
	if !versionForm.MatchString(v) {
		return nil, false
	}
	v, _, _ = strings.Cut(v, "+")
	v, _, _ = strings.Cut(v, "-")
	var out []int
	for part := range strings.SplitSeq(v, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}

// worst orders states by the attention they need, most first.
var worst = []State{
	StateConfigError, StateQuarantined, StateIncompatible, StateRejected, StateBackoff,
	StateStarting, StateDraining, StateReady,
}

// withInstances adds the lives of the plugin's instances. The state shown is the
// worst of theirs, unless something is wrong with the file itself.
func (p Plugin) withInstances(infos []InstanceInfo) Plugin {
	p.Instances = infos
	slices.SortFunc(p.Instances, func(a, b InstanceInfo) int { return cmp.Compare(a.ID, b.ID) })
	if p.State != StateVerified && p.State != StateBroken {
		return p
	}
	described := p.Err
	at := len(worst)
	for _, in := range p.Instances {
		if i := slices.Index(worst, in.State); i >= 0 && i < at {
			at, p.State, p.Err = i, in.State, ""
			if in.State != StateReady {
				p.Err = cmp.Or(in.LastError, described) // at its first start it had no fault of its own yet
			}
		}
	}
	return p
}

func epochOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
