package plugintest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// handshake is case 1. What stands behind the line is known when the process has
// ended.
func handshake(ctx context.Context, k *kit) (string, error) {
	s, err := k.startProcess(ctx, "in process there is no standard output of the plugin's own")
	if err != nil {
		return "", err
	}
	defer s.close()
	if _, err := s.describe(ctx); err != nil {
		return "", err
	}
	s.process.kill()
	if !s.process.outEnded(endLimit) {
		return "", errors.New("it was killed, and something that it has started still holds its standard output")
	}
	if n := s.process.out.count(); n > 0 {
		return "", fmt.Errorf("%d bytes follow the handshake line on standard output: %.80q; print to standard error", n, s.process.out.String())
	}
	return fmt.Sprintf("after %v", s.process.took.Round(time.Millisecond)), nil
}

// startProcess is start for cases that need a process.
func (k *kit) startProcess(ctx context.Context, why string) (*session, error) {
	if _, ok := k.target.(*executable); !ok {
		return nil, skip("%s: try the executable", why)
	}
	return k.start(ctx)
}

// describe is case 2.
func describe(ctx context.Context, k *kit) (string, error) {
	s, note, err := k.startBare(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	first, err := s.describe(ctx)
	if err != nil {
		return "", err
	}
	again, err := s.describe(ctx)
	if err != nil {
		return "", err
	}
	if !proto.Equal(first, again) {
		return "", errors.New("it describes itself in another way the second time; the answer is cached by the executable's digest")
	}
	return fmt.Sprintf("%s %s%s", first.GetName(), first.GetVersion(), note), nil
}

// startBare starts an executable with an empty environment and, where the system
// lets us, without a network.
func (k *kit) startBare(ctx context.Context) (s *session, note string, err error) {
	t, ok := k.target.(*executable)
	if !ok {
		s, err = k.start(ctx)
		return s, "; the environment and the network of this process were there", err
	}
	dir, err := newFolder()
	if err != nil {
		return nil, "", err
	}
	if canGoOffline {
		s, err = t.startIn(ctx, k, dir, nil, true)
		if !errors.Is(err, os.ErrPermission) {
			return s, "", wrapStart(err)
		}
		if dir, err = newFolder(); err != nil {
			return nil, "", err
		}
	}
	s, err = t.startIn(ctx, k, dir, nil, false)
	return s, "; the network was there: this system does not let us take it away", wrapStart(err)
}

func wrapStart(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("start the plugin: %w", err)
}

var (
	nameForm    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,38}$`)
	versionForm = regexp.MustCompile(`^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$`)
)

// identity is case 3.
func identity(ctx context.Context, k *kit) (string, error) {
	s, err := k.start(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	d, err := s.describe(ctx)
	if err != nil {
		return "", err
	}
	served, err := s.services(ctx)
	if err != nil {
		return "", err
	}
	kinds, faults := k.identityFaults(d, served)
	if len(faults) > 0 {
		return "", errors.Join(faults...)
	}
	return fmt.Sprintf("%s %s: %s", d.GetName(), d.GetVersion(), strings.Join(kinds, ", ")), nil
}

func (k *kit) identityFaults(d *pluginv1.DescribeResponse, served []string) (kinds []string, faults []error) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !nameForm.MatchString(d.GetName()) {
		fault("the name is %q: want lower-case letters, digits and -, at most 39", d.GetName())
	}
	if file, ok := k.wantedName(); ok && file != d.GetName() {
		fault("the name is %q, the file's name says %q", d.GetName(), file)
	}
	if !versionForm.MatchString(d.GetVersion()) {
		fault("the version is %q: want a semantic version such as 0.1.0", d.GetVersion())
	}
	if v := d.GetMinHostVersion(); v != "" && !versionForm.MatchString(v) {
		fault("the oldest host version is %q: want a semantic version, or nothing", v)
	}
	for _, kind := range []struct {
		name, service string
		described     bool
	}{
		{"row_getter", pluginv1.RowGetterService_ServiceDesc.ServiceName, d.GetRowGetter() != nil},
		{"check_handler", pluginv1.CheckHandlerService_ServiceDesc.ServiceName, d.GetCheckHandler() != nil},
		{"purger", pluginv1.PurgerService_ServiceDesc.ServiceName, d.GetPurger() != nil},
	} {
		switch is := slices.Contains(served, kind.service); {
		case kind.described && !is:
			fault("it says that it is a %s, and does not serve %s", kind.name, kind.service)
		case is && !kind.described:
			fault("it serves %s, and does not say that it is a %s", kind.service, kind.name)
		}
		if kind.described {
			kinds = append(kinds, kind.name)
		}
	}
	if len(kinds) == 0 {
		fault("it serves no kind of work: want row_getter, check_handler or purger")
	}
	for name, schema := range map[string][]byte{
		"the settings": d.GetSettingsSchemaJson(), "a row getter's extra": d.GetRowGetter().GetExtraSchemaJson(),
		"a check handler's extra": d.GetCheckHandler().GetExtraSchemaJson(), "a purger's extra": d.GetPurger().GetExtraSchemaJson(),
	} {
		if len(schema) > 0 && !json.Valid(schema) {
			fault("the schema of %s is no JSON", name)
		}
	}
	return kinds, faults
}

// wantedName is the name that the file of an executable asks for.
func (k *kit) wantedName() (string, bool) {
	t, ok := k.target.(*executable)
	if !ok || k.options.Manifest != "" {
		return "", false
	}
	return t.name()
}

// services lists the gRPC services that are served, by reflection.
func (s *session) services(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	stream, err := reflectionv1.NewServerReflectionClient(s.conn).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for the services: %w", err)
	}
	ask := &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(ask); err != nil {
		return nil, fmt.Errorf("ask for the services: %w", err)
	}
	answer, err := stream.Recv()
	if err != nil {
		return nil, fmt.Errorf("ask for the services: %w", err)
	}
	var names []string
	for _, svc := range answer.GetListServicesResponse().GetService() {
		names = append(names, svc.GetName())
	}
	return names, nil
}

// configure is case 4.
func configure(ctx context.Context, k *kit) (string, error) {
	s, err := k.start(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	d, err := s.describe(ctx)
	if err != nil {
		return "", err
	}
	for _, which := range []string{"first", "second"} {
		if err := s.configure(ctx, k.settings); err != nil {
			return "", fmt.Errorf("the %s time: %w", which, err)
		}
	}
	junk := [][]byte{[]byte(`{"dwmon-conformance":`), []byte(`["dwmon-conformance"]`)}
	if closed(d.GetSettingsSchemaJson()) {
		junk = append(junk, withMember(k.settings, "dwmon-conformance"))
	}
	for _, settings := range junk {
		if err := s.refuses(ctx, settings); err != nil {
			return "", err
		}
	}
	if _, err := s.describe(ctx); err != nil {
		return "", fmt.Errorf("after settings that are junk: %w", err)
	}
	return "", nil
}

// refuses wants settings to be refused by a diagnostic: a status would be tried
// again.
func (s *session) refuses(ctx context.Context, settings []byte) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	resp, err := s.base.Configure(ctx, s.configuration(settings))
	if err != nil {
		return fmt.Errorf("the settings %s end in a status, want a diagnostic: %w", settings, err)
	}
	if firstError(resp.GetDiagnostics()) == nil {
		return fmt.Errorf("the settings %s are accepted, want a diagnostic of severity ERROR", settings)
	}
	return nil
}

// closed says that a schema allows no settings but its own.
func closed(schema []byte) bool {
	var s struct {
		Additional *bool `json:"additionalProperties"`
	}
	return json.Unmarshal(schema, &s) == nil && s.Additional != nil && !*s.Additional
}

// withMember is an object with one more member. The others stand as they are.
func withMember(object []byte, name string) []byte {
	inner := bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(object), []byte("{")))
	comma := ","
	if bytes.HasPrefix(inner, []byte("}")) {
		comma = ""
	}
	return fmt.Appendf(nil, "{%q:1%s%s", name, comma, inner)
}

// badExtra is case 5.
func badExtra(ctx context.Context, k *kit) (string, error) {
	s, err := k.ready(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	d, err := s.describe(ctx)
	if err != nil {
		return "", err
	}
	extra := []byte(`{"dwmon-conformance":`)
	rows, result, old := k.getRows(k.options.Query), k.handleCheck(), k.identifyOld()
	rows.ExtraJson, result.ExtraJson, old.ExtraJson = extra, extra, extra
	calls := map[string]func(context.Context) error{}
	if d.GetRowGetter() != nil {
		calls["GetRows"] = func(ctx context.Context) error { _, err := s.fetch(ctx, rows); return err }
	}
	if d.GetCheckHandler() != nil && !k.options.NoDeliveries {
		calls["HandleCheck"] = func(ctx context.Context) error { _, err := s.handler.HandleCheck(ctx, result); return err }
	}
	if d.GetPurger() != nil {
		calls["IdentifyOld"] = func(ctx context.Context) error { _, err := s.purger.IdentifyOld(ctx, old); return err }
	}
	if len(calls) == 0 {
		return "", skip("nothing is to be delivered (Options.NoDeliveries)")
	}
	for method, call := range calls {
		ctx, cancel := context.WithTimeout(ctx, callLimit)
		err := call(ctx)
		cancel()
		if codeOf(err) != codes.InvalidArgument {
			return "", fmt.Errorf("%s with an EXTRA that is no JSON ends with %v, want INVALID_ARGUMENT: %w", method, codeOf(err), orOK(err))
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(calls)), ", "), nil
}

// orOK is an error to show where a call should have failed.
func orOK(err error) error {
	if err == nil {
		return errors.New("the call succeeded")
	}
	return err
}
