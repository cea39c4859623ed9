package pluginsdk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// serveDebug serves without a host until interrupted, so that a debugger can hold
// the process, and prints what makes dwmon attach to it. dwmon may attach, let go
// and attach again: only the interrupt ends the process.
func serveDebug(p Plugin, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	slog.SetDefault(log)
	listener, err := listenDebug(p.Name)
	if err != nil {
		fmt.Fprintf(stderr, "plugin %s cannot be debugged: %v\n", p.Name, err)
		return exitFault
	}
	s := newServer(p, log, new(slog.LevelVar))
	srv := newGRPCServer(nil)
	s.register(srv)
	alive := health.NewServer()
	alive.SetServingStatus("plugin", grpc_health_v1.HealthCheckResponse_SERVING) // the name that go-plugin uses
	grpc_health_v1.RegisterHealthServer(srv, alive)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	line, _ := json.Marshal(map[string]any{p.Name: map[string]any{
		"network": listener.Addr().Network(), "addr": listener.Addr().String(), "pid": os.Getpid(), "protocol": ProtocolVersion,
	}})
	fmt.Fprintf(stdout, "DWMON_ATTACH_PLUGINS='%s'\n", line)
	select {
	case <-ctx.Done():
	case err := <-served:
		fmt.Fprintln(stderr, err)
		return exitFault
	}
	s.drain(context.Background(), endGrace)
	srv.Stop()
	<-served
	return exitOK
}

// listenDebug listens at an address that only this user reaches. Where there are
// sockets it is the same each time, so that dwmon finds a plugin again that was
// built anew and started again.
func listenDebug(name string) (net.Listener, error) {
	if runtime.GOOS == "windows" {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	dir := filepath.Join(os.TempDir(), "dwmon-"+strconv.Itoa(os.Getuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return nil, err
	}
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() || !ownedByUs(info) || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s must be a folder of this user that nobody else may enter (0700): remove it, or set TMPDIR to another folder", dir)
	}
	path := filepath.Join(dir, name+".sock")
	if conn, err := net.Dial("unix", path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("it is being debugged already: another process listens at %s; end it first, or set TMPDIR to another folder", path)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) { // left by one that was killed
		return nil, err
	}
	return net.Listen("unix", path)
}
