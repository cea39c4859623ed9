package scaffold

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// module is the SDK's.
const module = "github.com/dwmon/dwmon"

// minimumGo is what a plugin asks for where the SDK's sources do not say.
const minimumGo = "1.26"

// SDKEnv names the folder of dwmon's sources.
const SDKEnv = "DWMON_SDK"

var releaseForm = regexp.MustCompile(`^\d+\.\d+\.\d+(-(alpha|beta|rc)\.?\d+)?$`)

// Released says whether a version of this program is one whose SDK can be downloaded.
func Released(version string) bool {
	return releaseForm.MatchString(version) && !strings.HasPrefix(version, "0.0.0")
}

// FindSDK finds dwmon's sources: the folder named, else that of DWMON_SDK, else the
// clone in which this program lies. Empty: a released program needs none. The error
// is an *InputError, and says how to name them.
func FindSDK(named, version string) (string, error) {
	for _, given := range []struct{ what, dir string }{{"--sdk", named}, {SDKEnv, os.Getenv(SDKEnv)}} {
		if given.dir == "" {
			continue
		}
		sdk, err := readSDK(given.dir)
		if err != nil {
			return "", wrong("%s: %w", given.what, err)
		}
		return sdk.dir, nil
	}
	if dir := cloneAround(); dir != "" {
		return dir, nil
	}
	if Released(version) {
		return "", nil
	}
	return "", wrong("this dwmon (%s) is a development build, whose SDK cannot be downloaded: name the folder of dwmon's sources with --sdk, or in %s", version, SDKEnv)
}

// cloneAround is the clone in which this program's file lies; empty for none.
func cloneAround() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	for dir := filepath.Dir(self); ; dir = filepath.Dir(dir) {
		if sdk, err := readSDK(dir); err == nil {
			return sdk.dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

var (
	moduleLine = regexp.MustCompile(`(?m)^module\s+(\S+)`)
	goLine     = regexp.MustCompile(`(?m)^go\s+(\S+)`)
)

// sdkSources are dwmon's.
type sdkSources struct {
	dir, goVersion string
	requires       []moduleVersion
}

// readSDK sees that a folder holds dwmon's sources, and what they need.
func readSDK(dir string) (sdk sdkSources, err error) {
	if sdk.dir, err = filepath.Abs(dir); err != nil {
		return sdk, err
	}
	text, err := os.ReadFile(filepath.Join(sdk.dir, "go.mod"))
	if err != nil {
		return sdk, fmt.Errorf("%s holds no sources of dwmon: %w", dir, err)
	}
	if m := moduleLine.FindSubmatch(text); m == nil || string(m[1]) != module {
		return sdk, errors.New(dir + " holds no sources of dwmon, but another module")
	}
	sdk.goVersion, sdk.requires = minimumGo, readRequires(text)
	slices.SortFunc(sdk.requires, func(a, b moduleVersion) int { return strings.Compare(a.Path, b.Path) })
	if m := goLine.FindSubmatch(text); m != nil {
		sdk.goVersion = string(m[1])
	}
	return sdk, nil
}
