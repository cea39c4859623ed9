package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// readyLag is how far the slot begun last may lie behind the clock: two slots.
const readyLag = 2 * time.Minute

// serveWeb answers health and metrics until ctx ends.
func (d *daemon) serveWeb(ctx context.Context, group *sync.WaitGroup) {
	d.metrics.gauges(d)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", d.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("dwmon " + Version + "\n\n/healthz\n/readyz\n/metrics\n"))
	})
	serve(ctx, group, d, &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, d.web)
}

// readiness is the body of /readyz.
type readiness struct {
	Ready bool `json:"ready"`
	// Causes say why it is not ready.
	Causes []string `json:"causes,omitempty"`
	// Faults of checker files and Plugins that cannot be used do not count: the
	// others go on.
	Faults  []dwmon.FileFault `json:"faults,omitempty"`
	Plugins map[string]string `json:"plugins,omitempty"`
}

func (d *daemon) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	body := d.readiness(ctx)
	w.Header().Set("Content-Type", "application/json")
	if !body.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body) // the asker has gone
}

func (d *daemon) readiness(ctx context.Context) readiness {
	var r readiness
	if !d.loaded.Load() {
		r.Causes = append(r.Causes, "the first load of files and plugins is not done")
		return r
	}
	if lag := d.lag(); lag > readyLag {
		r.Causes = append(r.Causes, "the minute slots are "+lag.Round(time.Second).String()+" behind the clock")
	}
	if err := d.db.InTx(ctx, func(dwmon.Tx) error { return nil }); err != nil {
		r.Causes = append(r.Causes, "the store cannot be written: "+err.Error())
	} else if at := d.storeTrouble.Load(); time.Since(time.Unix(at, 0)) < readyLag {
		r.Causes = append(r.Causes, "the store failed a pass within the last two minutes; see the log")
	}
	r.Ready = len(r.Causes) == 0
	if files, err := d.db.Faults(ctx); err == nil {
		for _, f := range files {
			r.Faults = append(r.Faults, f.Faults...)
		}
	}
	for _, p := range d.host.PluginsNow() {
		if p.Err != "" {
			if r.Plugins == nil {
				r.Plugins = map[string]string{}
			}
			r.Plugins[p.Name] = string(p.State) + ": " + p.Err
		}
	}
	return r
}

func (d *daemon) stats() engine.Stats {
	if e := d.engines.Load(); e != nil {
		return e.Stats()
	}
	return engine.Stats{}
}

// lag is how far the slot begun last lies behind the clock; up to a minute and a
// second is no lag.
func (d *daemon) lag() time.Duration {
	s := d.stats()
	if s.Slot == 0 {
		return 0
	}
	return max(0, time.Since(time.Unix(s.Slot, 0))-61*time.Second)
}

// serve runs an HTTP server until ctx ends, and waits a moment for its requests.
func serve(ctx context.Context, group *sync.WaitGroup, d *daemon, s *http.Server, l net.Listener) {
	group.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("a listener has stopped", "address", l.Addr().String(), "error", err)
		}
	})
	group.Go(func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if s.Shutdown(ctx) != nil {
			s.Close()
		}
	})
}

// liveCollector reads what the store and the host know at the moment.
type liveCollector struct{ d *daemon }

var (
	waitingDesc  = prometheus.NewDesc("dwmon_deliveries_waiting", "Deliveries that wait.", []string{"handler"}, nil)
	oldestDesc   = prometheus.NewDesc("dwmon_deliveries_oldest_timestamp_seconds", "When the oldest waiting delivery was queued.", []string{"handler"}, nil)
	restartsDesc = prometheus.NewDesc("dwmon_plugin_restarts_total", "Starts of plugin processes beyond the first.", []string{"plugin", "instance"}, nil)
	inFlightDesc = prometheus.NewDesc("dwmon_plugin_calls_in_flight", "Calls under way.", []string{"plugin", "instance"}, nil)
	readyDesc    = prometheus.NewDesc("dwmon_plugin_ready", "1 where the instance is ready.", []string{"plugin", "instance"}, nil)
)

func (c *liveCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{waitingDesc, oldestDesc, restartsDesc, inFlightDesc, readyDesc} {
		ch <- d
	}
}

func (c *liveCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if waiting, err := c.d.db.WaitingHandlers(ctx); err == nil {
		for _, w := range waiting {
			ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(w.Count), w.Handler)
			ch <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, float64(w.Oldest)/1e6, w.Handler)
		}
	}
	for _, p := range c.d.host.PluginsNow() {
		for _, in := range p.Instances {
			ready := 0.0
			if in.State == pluginhost.StateReady {
				ready = 1
			}
			ch <- prometheus.MustNewConstMetric(restartsDesc, prometheus.CounterValue, float64(in.Restarts), p.Name, in.ID)
			ch <- prometheus.MustNewConstMetric(inFlightDesc, prometheus.GaugeValue, float64(in.InFlight), p.Name, in.ID)
			ch <- prometheus.MustNewConstMetric(readyDesc, prometheus.GaugeValue, ready, p.Name, in.ID)
		}
	}
}
