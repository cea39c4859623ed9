package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Trial is a process of a plugin that was started to be looked at. It must be closed.
type Trial struct {
	host  *Host
	found Found
	p     *process
}

// Try starts the plugin of a name as an instance of it would be started, short of
// its settings.
func (h *Host) Try(ctx context.Context, name string) (*Trial, error) {
	f, err := h.locate(name)
	if err != nil {
		return nil, err
	}
	p, err := h.startFound(ctx, f, launch{env: environ(os.Environ(), f.environ())})
	if err != nil {
		return nil, err
	}
	return &Trial{h, f, p}, nil
}

// Close stops the process, politely until ctx ends.
func (t *Trial) Close(ctx context.Context) { t.p.stop(ctx) }

// Configure hands over settings. The error tells nothing that was redacted.
func (t *Trial) Configure(ctx context.Context, settings []byte) error {
	spec := InstanceSpec{Plugin: t.found.Name, Settings: settings}
	canonical, id := t.host.identify(spec)
	in := newInstance(t.host, spec, canonical, id)
	in.learnSecrets(t.p)
	return t.p.configure(ctx, in.configuration())
}

// kindServices are the services by which a kind of work is served.
var kindServices = map[Kind]string{
	RowGetter:    pluginv1.RowGetterService_ServiceDesc.ServiceName,
	CheckHandler: pluginv1.CheckHandlerService_ServiceDesc.ServiceName,
	Purger:       pluginv1.PurgerService_ServiceDesc.ServiceName,
}

// reflectionTimeout bounds the question which services there are.
const reflectionTimeout = 5 * time.Second

// CompareServices says where the kinds that the plugin has described are not those
// that it serves, as gRPC reflection tells them.
func (t *Trial) CompareServices(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reflectionTimeout)
	defer cancel()
	services, err := t.services(ctx)
	if err != nil {
		return fmt.Errorf("ask it by gRPC reflection what it serves: %w", t.p.redacted(err))
	}
	var faults []string
	described := kindsOf(t.p.describe)
	for _, kind := range slices.Sorted(maps.Keys(kindServices)) {
		service := kindServices[kind]
		switch says, does := slices.Contains(described, kind), slices.Contains(services, service); {
		case says && !does:
			faults = append(faults, fmt.Sprintf("it says that it is a %s, but does not serve %s", kind, service))
		case does && !says:
			faults = append(faults, fmt.Sprintf("it serves %s, but does not say that it is a %s", service, kind))
		}
	}
	if len(faults) > 0 {
		return errors.New(strings.Join(faults, "; "))
	}
	return nil
}

func (t *Trial) services(ctx context.Context) ([]string, error) {
	stream, err := grpc_reflection_v1.NewServerReflectionClient(t.p.conn).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}); err != nil {
		return nil, err
	}
	resp, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	if e := resp.GetErrorResponse(); e != nil {
		return nil, errors.New(cutText(e.GetErrorMessage(), maxText))
	}
	var names []string
	for _, s := range resp.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	return names, nil
}

// spoken is what `describe --json` prints, as far as it is compared.
type spoken struct {
	Name     string   `json:"name"`
	Version  string   `json:"version"`
	Protocol int      `json:"protocol"`
	Kinds    []Kind   `json:"kinds"`
	Sources  []string `json:"sources"`
}

// CompareCommand says where `dwmon-plugin-NAME describe --json` tells something else
// than Describe does. asked is false for plugins that are not known to have it: those
// that were not made with the Go SDK, and bundles.
func (t *Trial) CompareCommand(ctx context.Context) (asked bool, err error) {
	d := t.p.describe
	if !strings.HasPrefix(d.GetSdk(), "pluginsdk-go/") || t.found.Bundle != nil {
		return false, nil
	}
	text, err := t.command(ctx, "describe", "--json")
	if err != nil {
		return true, t.p.redacted(err)
	}
	var says spoken
	if err := json.Unmarshal(text, &says); err != nil {
		return true, fmt.Errorf("`describe --json` prints no JSON: %w", err)
	}
	var faults []string
	differ := func(what string, command, describe any) {
		if c, d := fmt.Sprint(command), fmt.Sprint(describe); c != d {
			faults = append(faults, fmt.Sprintf("its %s is %s by `describe --json` and %s by Describe", what, quoteCut(c, 80), quoteCut(d, 80)))
		}
	}
	differ("name", says.Name, d.GetName())
	differ("version", says.Version, d.GetVersion())
	differ("protocol", says.Protocol, pluginsdk.ProtocolVersion)
	differ("kinds", says.Kinds, kindsOf(d))
	differ("sources", says.Sources, d.GetRowGetter().GetSources())
	if len(faults) > 0 {
		return true, t.p.redacted(errors.New(strings.Join(faults, "; ")))
	}
	return true, nil
}

const (
	commandTimeout = 5 * time.Second
	commandBytes   = 1 << 20
)

// command runs the plugin's program with arguments, in an empty environment, and
// gives what it prints.
func (t *Trial) command(ctx context.Context, args ...string) ([]byte, error) {
	program, release, err := t.host.copies.of(&t.found)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := program.verify(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	out := &capped{most: commandBytes}
	cmd := exec.CommandContext(ctx, program.path, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{}, out, &capped{most: maxText}
	cmd.SysProcAttr = childAttributes()
	cmd.WaitDelay = stragglerTime
	said := fmt.Sprintf("`%s%s %s`", pluginsdk.FilePrefix, t.found.Name, strings.Join(args, " "))
	if err := spawn(cmd.Start); err != nil {
		return nil, fmt.Errorf("%s: %w", said, err)
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s did not end within %v", said, commandTimeout)
	case err != nil:
		return nil, fmt.Errorf("%s: %w; it wrote: %s", said, err, quoteCut(cmd.Stderr.(*capped).String(), 300))
	}
	return out.Bytes(), nil
}

// capped keeps the beginning of what is written to it.
type capped struct {
	bytes.Buffer
	most int
}

func (c *capped) Write(p []byte) (int, error) {
	c.Buffer.Write(p[:min(len(p), c.most-c.Len())])
	return len(p), nil
}

// Found lists what the plugins folder held when it was last read, by path.
func (h *Host) Found() []Found {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []Found
	for _, cs := range h.catalogue {
		for _, c := range cs {
			all = append(all, c.Found)
		}
	}
	slices.SortFunc(all, func(a, b Found) int { return strings.Compare(a.Path, b.Path) })
	return all
}
