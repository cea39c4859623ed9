package pluginhost

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"

	"github.com/dwmon/dwmon/pluginsdk"
)

func init() {
	fixtures["pretender"] = func(name string) { serve(&pretender{raw{name: name}}) }
	fixtures["two-tongues"] = serveTwoTongues
	fixtures["no-command"] = serveTwoTongues
}

// pretender serves rows and says that it is a handler.
type pretender struct{ raw }

func (p *pretender) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pluginv1.RegisterPluginServiceServer(s, p)
	pluginv1.RegisterRowGetterServiceServer(s, p)
	return nil
}

func (p *pretender) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	return &pluginv1.DescribeResponse{Name: p.name, Version: "1.0.0", CheckHandler: &pluginv1.CheckHandlerInfo{}}, nil
}

// twoTongues says something else by Describe than by its argument.
type twoTongues struct{ raw }

func (p *twoTongues) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pluginv1.RegisterPluginServiceServer(s, p)
	pluginv1.RegisterRowGetterServiceServer(s, p)
	return nil
}

func (p *twoTongues) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	return &pluginv1.DescribeResponse{
		Name: p.name, Version: "1.0.0", Sdk: "pluginsdk-go/0.1.0", RowGetter: &pluginv1.RowGetterInfo{Sources: []string{"a"}},
	}, nil
}

func serveTwoTongues(name string) {
	if len(os.Args) > 1 {
		if name == "no-command" {
			fmt.Fprintln(os.Stderr, "what do you want?")
			os.Exit(64)
		}
		fmt.Printf(`{"name":%q,"version":"1.0.1","protocol":1,"kinds":["row_getter","purger"],"sources":["a"]}`, name)
		os.Exit(0)
	}
	serve(&twoTongues{raw{name: name}})
}

func serve(p plugin.Plugin) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: pluginsdk.CookieKey, MagicCookieValue: pluginsdk.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{1: {pluginsdk.DispenseName: p}},
		GRPCServer:       plugin.DefaultGRPCServer,
	})
	os.Exit(0)
}

// TestTrial: what a plugin says of itself is compared with what it serves, and with
// what it says otherwise.
func TestTrial(t *testing.T) {
	fixtures := []string{"good", "pretender", "two-tongues", "no-command", "raw", "exec"}
	dir := t.TempDir()
	putBundle(t, dir, "pager")
	r := newRig(t, Options{Dir: dir, StateDir: t.TempDir()}, fixtures...)
	tests := []struct {
		name, services string
		asked          bool
		command        string
	}{
		{"good", "", true, ""},
		{"pager", "", false, ""},
		{"raw", "", false, ""},
		{"pretender", "it says that it is a check_handler, but does not serve dwmon.plugin.v1.CheckHandlerService; it serves dwmon.plugin.v1.RowGetterService, but does not say that it is a row_getter", false, ""},
		{"two-tongues", "", true, "its version is \"1.0.1\" by `describe --json` and \"1.0.0\" by Describe; its kinds is \"[row_getter purger]\""},
		{"no-command", "", true, "exit status 64; it wrote: \"what do you want?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			trial, err := r.Try(t.Context(), tt.name)
			if err != nil {
				t.Fatal(err)
			}
			defer trial.Close(t.Context())
			says := func(what string, err error, want string) {
				t.Helper()
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", what, err, want)
				}
			}
			says("services", trial.CompareServices(t.Context()), tt.services)
			asked, err := trial.CompareCommand(t.Context())
			says("command", err, tt.command)
			if asked != tt.asked {
				t.Errorf("asked: %v", asked)
			}
		})
	}
	trial, err := r.Try(t.Context(), "good")
	if err != nil {
		t.Fatal(err)
	}
	defer trial.Close(t.Context())
	if err := trial.Configure(t.Context(), []byte(`{"wrod":"x"}`)); err == nil || !strings.Contains(err.Error(), "wrod") {
		t.Errorf("error %v", err)
	}
	if _, err := r.Try(t.Context(), "nosuch"); err == nil {
		t.Error("a plugin that is not there was started")
	}
}
