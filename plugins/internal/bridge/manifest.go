package bridge

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dwmon/dwmon/pluginsdk"
)

// ManifestEnv is the variable in which the host names the manifest of the bundle
// that a bridge is to serve.
const ManifestEnv = "DWMON_PLUGIN_MANIFEST"

// manifestSchema is the version of the manifest's form.
const manifestSchema = 1

// maxManifest bounds the file.
const maxManifest = 1 << 20

// Header is the part of a manifest that all bridges share. A bridge embeds it in
// a struct with its own members.
type Header struct {
	Schema    int          `json:"schema" required:"true" doc:"version of the manifest's form: 1"`
	Name      string       `json:"name" required:"true" doc:"the plugin's name"`
	Version   string       `json:"version" doc:"a semantic version; default 0.0.0"`
	Summary   string       `json:"summary" doc:"what the plugin does, in one line"`
	Homepage  string       `json:"homepage" doc:"a URL"`
	Bridge    string       `json:"bridge" required:"true" doc:"the plugin that runs the bundle"`
	Sources   []string     `json:"sources" doc:"what a SOURCE may be for this row getter to be chosen without configuration"`
	DefaultOn pluginsdk.On `json:"default_on" doc:"which results the check handler is told: every, bad or change"`

	dir string
}

// Manifest is a struct that embeds a Header.
type Manifest interface{ header() *Header }

func (h *Header) header() *Header { return h }

// Dir is the bundle's folder, absolute.
func (h *Header) Dir() string { return h.dir }

// Identify gives a plugin the bundle's name and what else the manifest says of it.
func (h *Header) Identify(p *pluginsdk.Plugin) {
	p.Name, p.Version, p.Summary, p.Homepage = h.Name, h.Version, h.Summary, h.Homepage
	p.Sources, p.DefaultOn = h.Sources, h.DefaultOn
}

// LoadManifest reads the manifest that ManifestEnv names into m, a pointer to a
// struct that embeds a Header; the struct's values before are the defaults. An
// unknown member is an error. ok is false where the variable is not set: the bridge
// is then a plugin of its own.
func LoadManifest(bridge string, m Manifest) (ok bool, err error) {
	path := os.Getenv(ManifestEnv)
	if path == "" {
		return false, nil
	}
	if err := readManifest(path, bridge, m); err != nil {
		return true, fmt.Errorf("%s: %w", path, err)
	}
	return true, nil
}

func readManifest(path, bridge string, m Manifest) error {
	if !filepath.IsAbs(path) {
		return errors.New("the path of the manifest is not absolute")
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxManifest {
		return fmt.Errorf("the manifest has %d bytes; at most %d are read", info.Size(), maxManifest)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := pluginsdk.DecodeSettings(text, m); err != nil {
		return err
	}
	h := m.header()
	h.dir = filepath.Dir(path)
	return h.check(bridge)
}

func (h *Header) check(bridge string) error {
	if h.Version == "" {
		h.Version = "0.0.0"
	}
	switch {
	case h.Schema != manifestSchema:
		return fmt.Errorf("its schema is %d; this bridge knows %d", h.Schema, manifestSchema)
	case h.Bridge != bridge:
		return fmt.Errorf("its bridge is %q, and this is %q", h.Bridge, bridge)
	}
	switch h.DefaultOn {
	case "", pluginsdk.OnEvery, pluginsdk.OnBad, pluginsdk.OnChange:
		return nil
	}
	return fmt.Errorf("default_on is %q; want every, bad or change", h.DefaultOn)
}
