package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// interpreter is the Python that runs the modules.
type interpreter struct {
	path    string
	version string
}

// findInterpreter looks for Python: the one of the settings, that of the virtual
// environment in the folder, python3, python. One that is found and does not do is
// an error: another one might lack what the modules import.
func findInterpreter(ctx context.Context, setting, dir string) (interpreter, error) {
	path, err := interpreterPath(setting, dir)
	if err != nil {
		return interpreter{}, pluginsdk.ConfigError(err)
	}
	major, minor, version, err := askVersion(ctx, path)
	if err != nil {
		return interpreter{}, err
	}
	if major < 3 && (setting == "" || minor < 7) || major == 3 && minor < 6 {
		return interpreter{}, pluginsdk.ConfigError(fmt.Errorf(
			"%s is Python %s; 3.6 or later is wanted: set python in the settings (2.7 will do where it is set there)", path, version))
	}
	return interpreter{path, version}, nil
}

func interpreterPath(setting, dir string) (string, error) {
	if setting != "" {
		if strings.ContainsRune(setting, filepath.Separator) && !filepath.IsAbs(setting) {
			setting = filepath.Join(dir, setting)
		}
		path, err := exec.LookPath(setting)
		if err != nil {
			return "", fmt.Errorf("python: %w", err)
		}
		return filepath.Abs(path)
	}
	own := filepath.Join(dir, ".venv", "bin", "python")
	if _, err := os.Lstat(own); err == nil {
		return own, nil
	}
	for _, name := range []string{"python3", "python"} {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("there is no Python: neither %s, nor python3 or python in PATH; install it, or set python in the settings", own)
}

// versionLimit is how long Python may take to tell its version.
const versionLimit = 10 * time.Second

func askVersion(ctx context.Context, path string) (major, minor int, version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, path, "-c", "import sys; sys.stdout.write('dwmon %d %d %s' % (sys.version_info[0], sys.version_info[1], sys.version.split()[0]))")
	cmd.Env, cmd.Stderr, cmd.WaitDelay = environment(), &complaint, time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return 0, 0, "", pluginsdk.Retryable(fmt.Errorf("%s does not tell its version within %v", path, versionLimit), 0)
	}
	if _, scanErr := fmt.Sscanf(string(out), "dwmon %d %d %s", &major, &minor, &version); err == nil && scanErr != nil {
		err = errors.New("it does not tell its version")
	}
	if err != nil {
		said := strings.TrimSpace(complaint.String())
		if len(said) > 300 {
			said = strings.ToValidUTF8(said[len(said)-300:], "")
		}
		return 0, 0, "", pluginsdk.ConfigError(fmt.Errorf("%s does not run as Python: %w: %s", path, err, said))
	}
	return major, minor, version, nil
}
