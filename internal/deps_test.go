// Package internal_test holds the import rules of the whole module.
package internal_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/dwmon/dwmon/"

// rule says what packages must not import. A pattern is a package's path, ours
// without the module's, or with /... the package and all below. Each pattern must
// still match something: a rule about a package that is gone guards nothing.
type rule struct {
	of []string
	// direct and tree must not be imported: by the package itself, or by anything
	// below it as well.
	direct, tree []string
	// ours, where set, are the only packages of this module in its tree.
	ours []string
	why  string
}

var rules = []rule{
	{
		of: []string{"internal/dwmon"}, ours: []string{},
		why: "the nouns and pure rules are the leaf that everything else stands on",
	},
	{
		of: []string{"internal/dwmon"}, direct: []string{"os", "net", "database/sql", "modernc.org/...", "google.golang.org/...", "github.com/..."},
		why: "pure rules do no input or output, so that any minute can be tried without a machine around it",
	},
	{
		of: []string{"internal/engine"}, ours: []string{"internal/dwmon"},
		why: "the pass is written against seams; which store or plugin host is behind them is none of its business",
	},
	{
		of: []string{"internal/engine"}, tree: []string{"modernc.org/...", "google.golang.org/grpc/...", "github.com/hashicorp/..."},
		why: "the engine runs on a store of maps in simulations, and later on PostgreSQL",
	},
	{
		of: []string{"internal/strictyaml"}, ours: []string{"internal/dwmon"},
		why: "reading YAML with positions is shared by checker files and configuration, and knows neither",
	},
	{
		of: []string{"internal/checkfile"}, ours: []string{"internal/dwmon", "internal/strictyaml", "internal/textfile"},
		why: "adapters know the nouns, not each other and not the engine",
	},
	{
		of: []string{"internal/checklint"}, ours: []string{"internal/dwmon", "internal/words"},
		why: "warnings follow from a parsed checker and what is said of its surroundings, so that an editor can ask for them at each keystroke",
	},
	{
		of: []string{"internal/checklint"}, direct: []string{"os", "net", "database/sql"},
		why: "who looks at files, plugins and databases is told nothing by a rule",
	},
	{
		of: []string{"internal/faultreport"}, ours: []string{"internal/dwmon"},
		why: "the forms in which faults are written know nothing of where they come from",
	},
	{
		of: []string{"internal/config"}, ours: []string{"internal/dwmon", "internal/strictyaml", "internal/textfile"},
		why: "adapters know the nouns, not each other and not the engine",
	},
	{
		of: []string{"internal/holidays"}, ours: []string{"internal/dwmon", "internal/textfile"},
		why: "adapters know the nouns, not each other and not the engine",
	},
	{
		of: []string{"internal/schema"}, ours: []string{},
		why: "the schemas are texts; the readers that they are held against are named by the tests only",
	},
	{
		of: []string{"internal/lsp"}, ours: []string{"internal/dwmon", "internal/strictyaml", "internal/checkfile", "internal/checklint", "internal/config", "internal/schema", "internal/textfile", "internal/words"},
		why: "an editor is told what the texts say; no plugin, store or network is near",
	},
	{
		of: []string{"internal/lsp"}, direct: []string{"net", "net/http", "database/sql", "os/exec"},
		why: "it runs whenever somebody opens a file, wherever that came from",
	},
	{
		of: []string{"internal/store/sqlite"}, ours: []string{"internal/dwmon"},
		why: "a second store must be able to take its place: nothing of SQLite's may leak, nothing of the engine's come in",
	},
	{
		of: []string{"internal/store/model"}, ours: []string{"internal/dwmon"},
		why: "the model is what real stores are compared with, and must not lean on one",
	},
	{
		of: []string{"internal/words"}, ours: []string{"internal/dwmon"},
		why: "what is said of the nouns is the same everywhere: in notices, commands and editors",
	},
	{
		of: []string{"internal/chart"}, ours: []string{"internal/dwmon", "internal/words"},
		why: "what is said and drawn of the nouns is the same everywhere: in notices, commands and editors",
	},
	{
		of: []string{"internal/words", "internal/chart"}, direct: []string{"os", "net", "database/sql", "modernc.org/...", "google.golang.org/...", "github.com/jedib0t/..."},
		why: "they give text, and know neither terminals nor where data come from",
	},
	{
		of: []string{"internal/histogram"}, ours: []string{"internal/dwmon"},
		why: "counting is a rule: timestamps are given to it, wherever they come from",
	},
	{
		of: []string{"internal/notice"}, ours: []string{"internal/dwmon", "internal/words"},
		why: "what people are told is worded from what is given, so that every notice can be previewed and kept as a golden file",
	},
	{
		of: []string{"internal/dryrun"}, ours: []string{"internal/dwmon", "internal/words"},
		why: "what a result would be judged as follows from its rows and the rules, without a plugin or a store around them",
	},
	{
		of: []string{"internal/notice"}, direct: []string{"os", "net", "database/sql"},
		why: "a template must have no way to files, the environment or the network",
	},
	{
		of: []string{"internal/alerting"}, ours: []string{"internal/dwmon", "internal/notice", "internal/words"},
		why: "who is told of what follows from what is stored, whoever stores it and whoever delivers",
	},
	{
		of: []string{"internal/suggest"}, ours: []string{"internal/dwmon", "internal/words"},
		why: "counts in, lines out: what is proposed follows from the history alone, whoever has stored it",
	},
	{
		of: []string{"internal/suggest"}, direct: []string{"os", "database/sql", "math/rand/v2", "gonum.org/v1/gonum/stat/..."},
		why: "the same history always gives the same lines; only what tries them makes numbers up",
	},
	{
		of: []string{"internal/deliver"}, ours: []string{"internal/dwmon"},
		why: "adapters know the nouns, not each other and not the engine",
	},
	{
		of: []string{"internal/backtest"}, ours: []string{"internal/dwmon", "internal/engine"},
		why: "a replay is the engine over a past that any store may tell",
	},
	{
		of: []string{"internal/heartbeat"}, ours: []string{},
		why: "it is told of slots, and knows nothing of what they are",
	},
	{
		of: []string{"internal/heaproom"}, ours: []string{},
		why: "it is about the process, whatever that does",
	},
	{
		of: []string{"internal/pluginhost"}, ours: []string{"internal/dwmon", "internal/textfile", "pluginsdk/...", "proto/..."},
		why: "adapters know the nouns, not each other and not the engine",
	},
	{
		of: []string{"pluginsdk/..."}, ours: []string{"pluginsdk/...", "proto/..."},
		why: "the SDK is public: people outside of this repository cannot import internal, and must not depend on it unseen",
	},
	{
		of: []string{"pluginsdk/..."}, tree: []string{"modernc.org/..."},
		why: "a plugin that fetches from elsewhere must not carry a database engine",
	},
	{
		of: []string{"plugins/..."}, ours: []string{"plugins/...", "pluginsdk/...", "proto/..."},
		why: "the shipped plugins are written as anybody's: what they need, the SDK must offer",
	},
	{
		of: []string{"plugins/..."}, direct: []string{"proto/...", "google.golang.org/grpc", "github.com/hashicorp/go-plugin/..."},
		why: "an author never sees the wire, so that it can change",
	},
	{
		of: []string{"internal/draft"}, ours: []string{"internal/dwmon"},
		why: "what is asked and written of a new checker follows from answers and from what a source says, whoever asks it",
	},
	{
		of: []string{"internal/checktest"}, ours: []string{"internal/dwmon", "internal/strictyaml", "internal/words", "internal/engine", "internal/store/model"},
		why: "unit tests of checkers live through the engine's own passes, and need no source, plugin or database",
	},
	{
		of: []string{"cmd/dwmon"}, direct: []string{"database/sql", "google.golang.org/grpc/...", "github.com/hashicorp/go-plugin/...", "proto/..."},
		why: "commands parse flags and print; work is done where it can be tested without a command line",
	},
	{
		of: []string{"checks"}, ours: []string{},
		why: "the examples are files, with nothing behind them",
	},
	{
		of: []string{"internal/licences"}, ours: []string{},
		why: "it lists modules, whatever this one is about",
	},
	{
		of: []string{"internal/scaffold"}, ours: []string{},
		why: "what it writes is for authors outside of this repository, and must stand without it",
	},
	{
		of: []string{"internal/demo"}, ours: []string{"checks"},
		why: "the demo's world is a business like any other: it knows nothing of dwmon",
	},
	{
		of: []string{"internal/sim"}, direct: []string{"net", "os/exec", "internal/daemon", "internal/engine/enginetest", "internal/pluginhost"},
		why: "a life follows from its seed: nothing in it is another process, and what judges it shares no code with what is judged",
	},
	{
		of: []string{"internal/bench/svgplot"}, ours: []string{},
		why: "a drawing follows from its points alone",
	},
	{
		of: []string{"internal/bench/svgplot"}, direct: []string{"os", "time"},
		why: "the same points always give the same bytes, whoever writes them where",
	},
	{
		of: []string{"internal/procfs"}, ours: []string{},
		why: "it tells of processes, whosever they are",
	},
	{
		of: []string{"internal/textfile"}, ours: []string{},
		why: "it reads bytes, whatever they mean",
	},
	{
		of: []string{"internal/soak/timelapse"}, ours: []string{},
		why: "programs live faster by how they are built, and nothing of ours may know",
	},
	{
		of: []string{"internal/soak"}, ours: []string{"internal/soak/timelapse", "internal/soak/held", "internal/procfs"},
		why: "a soak sees dwmon from outside, as the system and its users do",
	},
	{
		of: []string{"internal/soak/plugin"}, ours: []string{"pluginsdk/...", "proto/..."},
		why: "the plugin of the soak is written as anybody's",
	},
	{
		of: []string{"internal/torture"}, ours: []string{"internal/torture/...", "internal/procfs", "pluginsdk/...", "proto/..."},
		why: "it knows dwmon as its users do: by its program, its files and its database",
	},
	{
		of:   []string{"cmd/dwmon"},
		tree: []string{"internal/suggest/proof", "internal/draft/drafttest", "internal/golden", "internal/testdb", "internal/engine/enginetest", "internal/store/storetest", "internal/sim", "internal/soak/timelapse", "internal/soak/held", "internal/torture", "internal/procfs"},
		why:  "the program that is shipped holds no test helpers",
	},
}

// users says who alone may import a package directly.
var users = []struct {
	of  []string
	by  []string
	why string
}{
	{
		of: []string{"proto/..."}, by: []string{"pluginsdk/...", "internal/pluginhost"},
		why: "the wire has one reader on each side; everybody else speaks the nouns or the SDK",
	},
	{
		of: []string{"internal/daemon"}, by: []string{"cmd/dwmon", "internal/soak/daemon"},
		why: "the daemon knows all parts; a part that knew the daemon would close the circle",
	},
	{
		of: []string{"internal/engine"}, by: []string{"internal/daemon", "internal/backtest", "internal/checktest", "internal/engine/...", "internal/sim", "cmd/dwmon", "internal/bench/..."},
		why: "only the daemon wires; replays, simulations and unit tests of checkers are passes; the command prints the reports of its passes",
	},
	{
		of: []string{"internal/store/sqlite"}, by: []string{"internal/daemon", "cmd/dwmon", "internal/bench/...", "internal/sim"},
		why: "only the daemon, and the commands that read beside it, know which store there is",
	},
	{
		of: []string{"internal/store/model"}, by: []string{"internal/checktest", "internal/store/storetest", "internal/bench/...", "internal/sim"},
		why: "what is to outlive its process belongs into a database",
	},
	{
		of: []string{"internal/demo"}, by: []string{"cmd/dwmon", "internal/daemon"},
		why: "the fake world is for the command demo",
	},
	{
		of: []string{"internal/testdb"}, by: []string{},
		why: "database servers are started by tests, and these rules do not look at tests",
	},
}

// listed is a package as `go list` tells of it, tests left out.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

// load lists every package of the module and all that they need.
func load(t *testing.T) map[string]*listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps", "./...")
	cmd.Dir = ".."
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, complaint.String())
	}
	all := map[string]*listed{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = &p
	}
}

// full is a pattern with the module's path. Paths whose first part has a dot, and
// those of the standard library, are complete.
func full(all map[string]*listed, pattern string) string {
	first, _, _ := strings.Cut(pattern, "/")
	if p := all[pattern]; strings.Contains(first, ".") || p != nil && p.Standard {
		return pattern
	}
	return module + pattern
}

func matches(pattern, path string) bool {
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == below || strings.HasPrefix(path, below+"/")
	}
	return path == pattern
}

// expand gives the packages that patterns match; each must match one.
func expand(t *testing.T, all map[string]*listed, patterns []string) []string {
	t.Helper()
	var found []string
	for _, pattern := range patterns {
		pattern = full(all, pattern)
		before := len(found)
		for path := range all {
			if matches(pattern, path) {
				found = append(found, path)
			}
		}
		if len(found) == before {
			t.Errorf("a rule names %s, and there is no such package any more: mend the rule", pattern)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func short(path string) string { return strings.TrimPrefix(path, module) }

func TestPackagesImportOnlyWhatTheyMay(t *testing.T) {
	all := load(t)
	for _, r := range rules {
		direct, tree, ours := expand(t, all, r.direct), expand(t, all, r.tree), expand(t, all, r.ours)
		for _, path := range expand(t, all, r.of) {
			p := all[path]
			for _, dep := range p.Imports {
				if slices.Contains(direct, dep) {
					t.Errorf("%s imports %s: %s", short(path), short(dep), r.why)
				}
			}
			for _, dep := range p.Deps {
				switch {
				case slices.Contains(tree, dep):
					t.Errorf("%s imports %s, itself or through %s: %s", short(path), short(dep), through(all, p, dep), r.why)
				case r.ours != nil && strings.HasPrefix(dep, module) && !slices.Contains(ours, dep):
					t.Errorf("%s imports %s, itself or through %s; of our packages it may import %q only: %s",
						short(path), short(dep), through(all, p, dep), r.ours, r.why)
				}
			}
		}
	}
}

// through names a direct import of p by which it reaches dep.
func through(all map[string]*listed, p *listed, dep string) string {
	for _, i := range p.Imports {
		if next := all[i]; i == dep || next != nil && slices.Contains(next.Deps, dep) {
			return short(i)
		}
	}
	return "nothing"
}

func TestPackagesAreImportedOnlyByThoseWhoMay(t *testing.T) {
	all := load(t)
	for _, u := range users {
		of := expand(t, all, u.of)
		for path, p := range all {
			allowed := slices.ContainsFunc(u.by, func(pattern string) bool { return matches(full(all, pattern), path) })
			if allowed || slices.Contains(of, path) {
				continue
			}
			for _, dep := range p.Imports {
				if slices.Contains(of, dep) {
					t.Errorf("%s imports %s; only %q may: %s", short(path), short(dep), u.by, u.why)
				}
			}
		}
	}
}
