// Command launch puts itself under the supervision of package interpose and becomes
// the program that is to be run. Only that package starts it.
package main

import (
	"fmt"
	"os"

	"github.com/dwmon/dwmon/internal/torture/interpose"
)

func main() {
	fmt.Fprintln(os.Stderr, "launch:", interpose.Launch())
	os.Exit(3)
}
