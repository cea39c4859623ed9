package plugintest

import (
	"context"
	"errors"
	"net/rpc"
	"os"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/dwmon/dwmon/pluginsdk"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// rawPlugin is a plugin without the SDK, which would not let it go wrong. A method
// that is not set is right.
type rawPlugin struct {
	pluginv1.UnimplementedPluginServiceServer
	pluginv1.UnimplementedRowGetterServiceServer

	describe  func() *pluginv1.DescribeResponse
	configure func(*pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error)
	getRows   func(*pluginv1.GetRowsRequest, grpc.ServerStreamingServer[pluginv1.GetRowsResponse]) error
	drain     func() (*pluginv1.DrainResponse, error)
	// noRows: the row getter is described and not served.
	noRows bool
}

// raw is an in-process target of a rawPlugin.
func raw(p *rawPlugin) Target {
	return &inProcess{register: func(r grpc.ServiceRegistrar) error {
		p.register(r)
		return nil
	}}
}

func (p *rawPlugin) register(r grpc.ServiceRegistrar) {
	pluginv1.RegisterPluginServiceServer(r, p)
	if !p.noRows {
		pluginv1.RegisterRowGetterServiceServer(r, p)
	}
}

func rawDescription() *pluginv1.DescribeResponse {
	return &pluginv1.DescribeResponse{Name: "raw", Version: "0.1.0", RowGetter: &pluginv1.RowGetterInfo{}}
}

func (p *rawPlugin) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	if p.describe != nil {
		return p.describe(), nil
	}
	return rawDescription(), nil
}

func (p *rawPlugin) Configure(_ context.Context, req *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	if p.configure != nil {
		return p.configure(req)
	}
	return &pluginv1.ConfigureResponse{}, nil
}

func (p *rawPlugin) Drain(context.Context, *pluginv1.DrainRequest) (*pluginv1.DrainResponse, error) {
	if p.drain != nil {
		return p.drain()
	}
	return &pluginv1.DrainResponse{}, nil
}

func (p *rawPlugin) GetRows(req *pluginv1.GetRowsRequest, stream grpc.ServerStreamingServer[pluginv1.GetRowsResponse]) error {
	if p.getRows != nil {
		return p.getRows(req, stream)
	}
	return errors.Join(stream.Send(batchOf("a")), stream.Send(summaryOf(1)))
}

func batchOf(keys ...string) *pluginv1.GetRowsResponse {
	b := &pluginv1.RowBatch{}
	for i, key := range keys {
		b.Keys = append(b.Keys, key...)
		b.KeyLengths = append(b.KeyLengths, uint32(len(key)))
		b.TimestampsUs = append(b.TimestampsUs, int64(i))
	}
	return &pluginv1.GetRowsResponse{Event: &pluginv1.GetRowsResponse_Batch{Batch: b}}
}

func summaryOf(rows uint64) *pluginv1.GetRowsResponse {
	return &pluginv1.GetRowsResponse{Event: &pluginv1.GetRowsResponse_Summary{Summary: &pluginv1.RowsSummary{RowsSent: rows}}}
}

// serve serves the plugin as an executable, without any of the SDK's care.
func (p *rawPlugin) serve() {
	os.Stdout = fd1 // the SDK has put standard error in its place
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: pluginsdk.CookieKey, MagicCookieValue: pluginsdk.CookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{1: {pluginsdk.DispenseName: rawGlue{p}}},
		GRPCServer:       goplugin.DefaultGRPCServer,
	})
}

type rawGlue struct{ plugin *rawPlugin }

func (g rawGlue) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	g.plugin.register(s)
	return nil
}

var errOneSide = errors.New("the other side is not served here")

func (rawGlue) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errOneSide
}
func (rawGlue) Server(*goplugin.MuxBroker) (any, error)              { return nil, errOneSide }
func (rawGlue) Client(*goplugin.MuxBroker, *rpc.Client) (any, error) { return nil, errOneSide }
