//go:build ignore

// This program builds the plugin that is kept for the SDK of this tree: see
// README.md. Run it from the root of the module.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/dwmon/dwmon/pluginsdk"
)

const dir = "internal/pluginhost/testdata/kept"

func main() {
	log.SetFlags(0)
	again := flag.Bool("again", false, "replace the binary of an SDK that is not released yet")
	flag.Parse()
	file := filepath.Join(dir, "sdk-"+pluginsdk.Version+".linux-amd64.gz")
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) && !*again {
		log.Fatalf("%s is there: the binary of a released SDK is never built again", file)
	}
	binary, err := build()
	if err != nil {
		log.Fatal(err)
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := z.Write(binary); err != nil {
		log.Fatal(err)
	}
	if err := z.Close(); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(file, packed.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %d bytes, unpacked %d\nadd to the table of README.md:\n| %s | %s | linux/amd64 | `%x` |\n",
		file, packed.Len(), len(binary), pluginsdk.Version, runtime.Version(), sha256.Sum256(binary))
}

// build builds the source, with nothing of this machine in the binary.
func build() ([]byte, error) {
	tmp, err := os.MkdirTemp("", "kept-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	source, err := os.ReadFile(filepath.Join(dir, "main.go.txt"))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(tmp, "main.go"), source, 0o600); err != nil {
		return nil, err
	}
	out := filepath.Join(tmp, "kept")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, filepath.Join(tmp, "main.go"))
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "CGO_ENABLED=0", "GOFLAGS=")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go build: %w", err)
	}
	return os.ReadFile(out)
}
