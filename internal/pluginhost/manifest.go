package pluginhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/dwmon/dwmon/internal/textfile"
	"github.com/dwmon/dwmon/pluginsdk"
)

// A bundle is a plugin that is no program: a folder of scripts with a manifest, run
// by a bridge, which is a plugin of its own. The host reads of the manifest what it
// needs to find the bridge. Everything else is the bridge's, which checks it.

const (
	// ManifestFile makes a folder of the plugins folder a bundle.
	ManifestFile = "dwmon-plugin.json"
	// ManifestEnv tells a bridge which manifest it is to serve: an absolute path.
	ManifestEnv = "DWMON_PLUGIN_MANIFEST"
	// manifestSchema is the form of manifest that this host reads.
	manifestSchema = 1
	// maxManifestBytes is the largest manifest.
	maxManifestBytes = 1 << 20
)

// Bundle is what makes a Found a bundle.
type Bundle struct {
	// Bridge is the name of the plugin that runs it, BridgePath its file.
	Bridge, BridgePath string
	// BridgeSHA256 is that file's digest, hexadecimal.
	BridgeSHA256 string
}

// manifest is what the host reads of a manifest.
type manifest struct {
	Schema *int   `json:"schema"`
	Name   string `json:"name"`
	Bridge string `json:"bridge"`
}

// isBundle says whether a folder claims to be a bundle.
func isBundle(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ManifestFile))
	return err == nil
}

// sightBundle reads a bundle's manifest. One without a usable name goes by its
// folder's until nameBroken has looked at the others.
func sightBundle(dir string) candidate {
	c := candidate{name: filepath.Base(dir), path: filepath.Join(dir, ManifestFile), bundle: true}
	m, err := readManifest(c.path)
	if err != nil {
		c.err = refusal(CheckBundle, fmt.Errorf("%s: %w", c.path, err))
		return c
	}
	c.name, c.manifest = m.Name, m
	return c
}

// nameBroken keeps a bundle whose name is not known from standing in the way of the
// plugin that has the name of its folder.
func nameBroken(all []candidate) {
	for i := range all {
		c := &all[i]
		taken := func(o candidate) bool { return o.name == c.name && o.path != c.path }
		if c.bundle && c.err != nil && (!nameForm.MatchString(c.name) || slices.ContainsFunc(all, taken)) {
			c.name += "/"
		}
	}
}

func readManifest(path string) (m manifest, err error) {
	if err := insideDir(filepath.Dir(path), path); err != nil {
		return m, err
	}
	text, err := textfile.Read(path, maxManifestBytes)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("it is no manifest: %w", err)
	}
	return m, m.check()
}

// check judges what the host reads; the errors name no file.
func (m manifest) check() error {
	switch {
	case m.Schema == nil:
		return fmt.Errorf(`it says no schema: write "schema": %d`, manifestSchema)
	case *m.Schema != manifestSchema:
		return fmt.Errorf("its schema is %d, this dwmon reads %d: a newer dwmon may be needed", *m.Schema, manifestSchema)
	case !nameForm.MatchString(m.Name):
		return fmt.Errorf("its name is %s: want lower-case letters, digits and -, at most 39", quoteCut(m.Name, 80))
	case m.Bridge == "":
		return errors.New(`it names no bridge: write "bridge": "exec" for programs and scripts, "python" for modules of the original`)
	case !nameForm.MatchString(m.Bridge):
		return fmt.Errorf("its bridge is %s, which is no name of a plugin", quoteCut(m.Bridge, 80))
	case m.Bridge == m.Name:
		return fmt.Errorf("it is named %s like its bridge: give it a name of its own", m.Name)
	}
	return nil
}

// lookAtBundle looks at a bundle, and at its bridge.
func (e *examination) lookAtBundle(f *Found, m manifest) error {
	f.Bundle = &Bundle{Bridge: m.Bridge}
	dir := filepath.Dir(f.Path)
	tree, err := readTree(dir, nil)
	if err != nil {
		return refusal(CheckBundle, err)
	}
	f.SHA256, f.Size = tree.digest(), tree.size
	for _, path := range tree.paths(dir) {
		if err := e.permissions(f, path); err != nil {
			return err
		}
	}
	bridge, err := e.bridge(m.Bridge)
	f.Bundle.BridgePath, f.Bundle.BridgeSHA256 = bridge.Path, bridge.SHA256
	return err
}

// bridge is the executable that runs a bundle. It must pass what every plugin must.
func (e *examination) bridge(name string) (Found, error) {
	var f Found
	at := slices.IndexFunc(e.all, func(c candidate) bool { return c.name == name && !c.bundle })
	switch n := e.claims(name); {
	case at < 0:
		f.Path = filepath.Join(e.Dir, pluginsdk.FilePrefix+name)
		return f, refuse(CheckBridge, "put "+pluginsdk.FilePrefix+name+" beside it, into "+e.Dir, "its bridge %s is not there", name)
	case n > 1:
		return f, refuse(CheckBridge, "", "its bridge: %d files claim the name %s: remove all but one", n, name)
	}
	f = Found{Name: name, Path: e.all[at].path, Err: e.all[at].err}
	if f.Err == nil {
		f.Err = e.lookAtFile(&f)
	}
	if f.Err == nil {
		f.Err = e.lock.check(&f, e.Strict)
	}
	if r := (*Refusal)(nil); errors.As(f.Err, &r) {
		return f, &Refusal{r.Check, fmt.Errorf("its bridge %s: %w", name, r.Err), r.Remedy}
	}
	return f, f.Err
}
