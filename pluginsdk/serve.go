package pluginsdk

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
)

// Exit codes of a plugin process.
const (
	exitOK    = 0
	exitFault = 1
	exitUsage = 64
)

// Serve is the only call in a plugin's main. It serves p to the host and never
// returns. Started by hand it understands
//
//	describe [--json]   what the plugin is, its settings and environment
//	--version
//	--debug             serves until interrupted, and prints how dwmon attaches
//
// and otherwise explains how a plugin is tried.
func Serve(p Plugin) {
	os.Exit(serve(p, os.Args[1:], savedStdout, savedStderr))
}

func serve(p Plugin, args []string, stdout, stderr io.Writer) int {
	if err := p.check(); err != nil {
		fmt.Fprintf(stderr, "plugin %s is not set up rightly by its author:\n%v\n", p.Name, err)
		return exitFault
	}
	if len(args) > 0 {
		return serveArgs(p, args, stdout, stderr)
	}
	if !underHost() {
		explain(stderr, &p, os.Args[0])
		return exitUsage
	}
	return serveHost(p, stderr)
}

func serveArgs(p Plugin, args []string, stdout, stderr io.Writer) int {
	var err error
	switch {
	case args[0] == "describe" && len(args) == 1:
		err = printDescription(stdout, &p, false)
	case args[0] == "describe" && len(args) == 2 && args[1] == "--json":
		err = printDescription(stdout, &p, true)
	case args[0] == "--version" && len(args) == 1:
		_, err = fmt.Fprintf(stdout, "%s%s %s\n", FilePrefix, p.Name, p.Version)
	case args[0] == "--debug" && len(args) == 1:
		return serveDebug(p, stdout, stderr)
	case (args[0] == "--help" || args[0] == "-h") && len(args) == 1:
		explain(stdout, &p, os.Args[0])
	default:
		fmt.Fprintf(stderr, "%s does not know these arguments: %q\n\n", filepath.Base(os.Args[0]), args)
		explain(stderr, &p, os.Args[0])
		return exitUsage
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFault
	}
	return exitOK
}

// explain is for somebody who has started the plugin by hand.
func explain(w io.Writer, p *Plugin, program string) {
	fmt.Fprintf(w, `%[1]s is a plugin of dwmon (%[2]s); dwmon starts it.

Install it:  put it into the plugins folder as %[4]s%[1]s
Look at it:  dwmon plugin list
Try it:      dwmon plugin test %[3]s
About it:    %[3]s describe [--json]
Debug it:    %[3]s --debug
`, p.Name, joinKinds(p.kinds()), program, FilePrefix)
}

// Time for an ending process. The sum stays below the five seconds after which
// the host loses patience.
const (
	endGrace = 3500 * time.Millisecond // for calls in flight
	endLimit = 4800 * time.Millisecond // for everything
)

// process is a plugin process under a host.
type process struct {
	server *server
	log    *slog.Logger

	mu   sync.Mutex
	grpc *grpc.Server // nil until go-plugin has asked for it

	once sync.Once
	done chan struct{} // closed when the process may exit
}

func serveHost(p Plugin, stderr io.Writer) int {
	log, level := newLog(stderr)
	slog.SetDefault(log)
	proc := &process{server: newServer(p, log, level), log: log, done: make(chan struct{})}
	lifeline := os.Getenv(LifelineEnv) == "1"
	go proc.watchSignals()
	if lifeline {
		go proc.watchLifeline(os.Stdin)
	}
	served := proc.serveGoPlugin(stderr)
	// The connection has ended: on the host's word, or because the process is
	// ending on its own.
	proc.end("connection closed", func() {})
	if !served {
		return exitFault
	}
	return exitOK
}

// watchSignals drains at SIGTERM. SIGINT is ignored: Ctrl-C reaches the host and
// all of its plugins, and the host decides.
func (p *process) watchSignals() {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, syscall.SIGTERM, os.Interrupt)
	for s := range ch {
		if s == syscall.SIGTERM {
			p.end("SIGTERM", func() {})
		}
	}
}

// watchLifeline drains when the host is gone: the host holds the other end of
// our standard input open for as long as it lives.
func (p *process) watchLifeline(stdin io.Reader) {
	_, _ = io.Copy(io.Discard, stdin)
	// Nobody reads standard error any more: writing to it must not kill us before
	// the clean-up.
	signal.Ignore(syscall.SIGPIPE)
	p.end("lifeline closed", endGroup)
}

// end drains, does what else is to be done, and stops the server. It returns when
// that is done, to every caller. However the author's code behaves, the process is
// gone after endLimit.
func (p *process) end(why string, then func()) {
	p.once.Do(func() {
		defer close(p.done)
		p.log.Debug("plugin ends", "reason", why)
		time.AfterFunc(endLimit, func() {
			then()
			os.Exit(exitOK)
		})
		p.server.drain(context.Background(), endGrace)
		then()
		p.mu.Lock()
		srv := p.grpc
		p.mu.Unlock()
		if srv == nil { // before the handshake
			os.Exit(exitOK)
		}
		srv.Stop()
	})
	<-p.done
}
