//go:build linux

package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Programs are what is run, in a folder of its own: dwmon as its users run it, the
// launcher, and the suite's plugins.
type Programs struct{ dir string }

// Build builds them into a folder.
func Build(ctx context.Context, dir string) (Programs, error) {
	for name, path := range map[string]string{"dwmon": "cmd/dwmon", "launch": "internal/torture/launch", "plugin": "internal/torture/plugin"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, name), "github.com/dwmon/dwmon/"+path)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return Programs{}, fmt.Errorf("build %s: %w\n%s", path, err, out)
		}
	}
	return Programs{dir}, copyFormats(ctx, filepath.Join(dir, formatsDir))
}

// formatsDir holds a database of each schema that there ever was.
const formatsDir = "formats"

// copyFormats copies them from the store's own tests.
func copyFormats(ctx context.Context, to string) error {
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/dwmon/dwmon/internal/store/sqlite").Output()
	if err != nil {
		return fmt.Errorf("where the store's source lies: %w", err)
	}
	return os.CopyFS(to, os.DirFS(filepath.Join(strings.TrimSpace(string(out)), "testdata", "formats")))
}

// pluginNames are the names under which the suite's plugin is installed.
var pluginNames = []string{"feed", "ledger", "trim"}

// install puts the programs into a world's folder, where its processes are known by
// the paths of their executables.
func (p Programs) install(dir string) error {
	to := map[string]string{"dwmon": "bin/dwmon", "launch": "bin/launch"}
	for from, name := range to {
		if err := link(filepath.Join(p.dir, from), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for _, name := range pluginNames {
		if err := link(filepath.Join(p.dir, "plugin"), filepath.Join(dir, "plugins", pluginsdk.FilePrefix+name)); err != nil {
			return err
		}
	}
	return os.Symlink(filepath.Join(p.dir, formatsDir), filepath.Join(dir, formatsDir))
}

// link makes a hard link, or a copy where that cannot be.
func link(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
