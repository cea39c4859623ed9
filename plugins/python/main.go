// Command dwmon-plugin-python runs the modules of the original program unchanged:
// your_org/your_orgs_row_getter.py, your_orgs_check_handler.py and
// your_orgs_row_purger.py. With DWMON_PLUGIN_MANIFEST in its environment it serves
// the bundle of that manifest, under the bundle's name.
package main

import (
	"fmt"
	"os"

	"github.com/dwmon/dwmon/pluginsdk"
)

func main() {
	p, err := plugin()
	if err != nil {
		fmt.Fprintf(os.Stderr, "dwmon-plugin-python: %v\n", err)
		os.Exit(1)
	}
	pluginsdk.Serve(p)
}
