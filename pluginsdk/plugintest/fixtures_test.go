//go:build unix

package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dwmon/dwmon/pluginsdk"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// serving is a fixture of the SDK's that has done something before.
func serving(before func(), rows pluginsdk.RowGetterFunc) func() {
	return func() {
		if before != nil {
			before()
		}
		p := withRows(rows)
		p.Name = strings.TrimPrefix(filepath.Base(os.Args[0]), pluginsdk.FilePrefix)
		pluginsdk.Serve(p)
	}
}

// onQuery does something before the rows of one query.
func onQuery(query string, do func() error) pluginsdk.RowGetterFunc {
	return func(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
		if q.Text == query {
			if err := do(); err != nil {
				return err
			}
			q.Text = "few"
		}
		return goodRows(ctx, q, out)
	}
}

func fail(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(1)
}

func init() {
	fixtures["prints-before"] = serving(func() { fmt.Fprintln(fd1, "starting") }, goodRows)
	fixtures["prints-after"] = func() {
		p := &rawPlugin{}
		p.describe = func() *pluginv1.DescribeResponse {
			fmt.Fprintln(fd1, "started")
			return rawDescription()
		}
		p.serve()
	}
	fixtures["silent"] = func() { <-time.After(time.Minute) }
	fixtures["ends-at-once"] = func() { fail("I do not feel like it") }
	fixtures["needs-home"] = serving(func() {
		if os.Getenv("HOME") == "" {
			fail("HOME is not set")
		}
	}, goodRows)
	fixtures["needs-network"] = serving(func() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			fail("there is no network:", err)
		}
		conn, err := net.DialTimeout("tcp", l.Addr().String(), time.Second)
		if err != nil {
			fail("there is no network:", err)
		}
		_ = conn.Close()
	}, goodRows)
	fixtures["ill-named"] = func() { pluginsdk.Serve(withRows(goodRows)) }
	fixtures["ends-at-junk"] = func() {
		p := &rawPlugin{configure: func(req *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
			if string(req.SettingsJson) != "{}" {
				fail("what is that?")
			}
			return &pluginv1.ConfigureResponse{}, nil
		}}
		p.serve()
	}
	fixtures["gathers"] = serving(nil, gathering)
	fixtures["deaf"] = serving(nil, deaf(nil))
	fixtures["hides-panics"] = serving(nil, onQuery("panic", func() error { return nil }))
	fixtures["dies"] = serving(nil, onQuery("panic", func() error {
		go panic("beyond the SDK's reach")
		<-time.After(time.Minute)
		return nil
	}))
	fixtures["blocks"] = serving(nil, onQuery("print", func() error {
		_, w, err := os.Pipe()
		if err == nil {
			_, err = w.Write(make([]byte, 1<<20))
		}
		return err
	}))
	fixtures["corrupts"] = serving(nil, onQuery("print", func() error { return errors.New("standard output is closed") }))
	fixtures["mute"] = serving(nil, onQuery("print", func() error { return nil }))
	fixtures["ignores-sigterm"] = func() {
		signal.Ignore(syscall.SIGTERM)
		(&rawPlugin{}).serve()
	}
	fixtures["exits-3"] = func() {
		p := withRows(goodRows)
		p.Name, p.Shutdown = "exits-3", func(context.Context) error { os.Exit(3); return nil }
		pluginsdk.Serve(p)
	}
	fixtures["no-drain"] = func() {
		// At SIGTERM it ends as it should, its socket with it.
		terminate := make(chan os.Signal, 1)
		signal.Notify(terminate, syscall.SIGTERM)
		go func() {
			<-terminate
			sockets, _ := filepath.Glob(filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "plugin*"))
			for _, s := range sockets {
				_ = os.Remove(s)
			}
			os.Exit(0)
		}()
		(&rawPlugin{drain: func() (*pluginv1.DrainResponse, error) { return nil, status.Error(codes.Unimplemented, "what?") }}).serve()
	}
	fixtures["raw"] = func() { (&rawPlugin{}).serve() }
	fixtures["deaf-child"] = func() {
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		<-time.After(time.Minute)
	}
	fixtures["leaves-a-child"] = serving(nil, onQuery("few", func() error {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		child := exec.Command(self)
		child.Args[0] = pluginsdk.FilePrefix + "deaf-child"
		ready, err := child.StdoutPipe()
		if err != nil {
			return err
		}
		if err := child.Start(); err != nil {
			return err
		}
		_, err = ready.Read(make([]byte, 1))
		return err
	}))
	fixtures["leaves-its-socket"] = func() {
		go func() {
			_, _ = os.Stdin.Read(make([]byte, 1))
			os.Exit(0)
		}()
		(&rawPlugin{}).serve()
	}
	fixtures["starts-once"] = func() {
		p := withRows(goodRows)
		p.Name = "starts-once"
		p.Setup = func(ctx context.Context) error {
			lock := filepath.Join(pluginsdk.StateDir(ctx), "lock")
			if _, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL, 0o600); err != nil {
				return pluginsdk.ConfigError(errors.New("another of me runs"))
			}
			return nil
		}
		pluginsdk.Serve(p)
	}
}
