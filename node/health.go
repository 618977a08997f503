package node

import (
	"encoding/json"
	"net/http"

	gometrics "github.com/hashicorp/go-metrics"
	goprometheus "github.com/hashicorp/go-metrics/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tumbler/fsm"
)

// healthHandler serves /healthz (the process answers), /readyz (it serves what its role serves) and /metrics.
func healthHandler(n *Node) (http.Handler, error) {
	registry := prometheus.NewRegistry()
	sink, err := goprometheus.NewPrometheusSinkFrom(goprometheus.PrometheusOpts{Registerer: registry})
	if err != nil {
		return nil, err
	}
	settings := gometrics.DefaultConfig("tumbler")
	settings.EnableHostname = false
	settings.EnableRuntimeMetrics = false
	if _, err := gometrics.NewGlobal(settings, sink); err != nil { // raft and memberlist report there
		return nil, err
	}
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&stateCollector{n},
	)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"status": "ok", "unit": n.config.Number})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := n.notReady(); why != "" {
			answer(w, http.StatusServiceUnavailable, map[string]any{"status": "not ready", "reason": why, "unit": n.config.Number})
			return
		}
		answer(w, http.StatusOK, map[string]any{"status": "ready", "unit": n.config.Number})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux, nil
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller has gone away
}

// stateCollector reads the metrics of the replicated state when they are asked for.
type stateCollector struct{ node *Node }

var (
	metricBlobs = prometheus.NewDesc("tumbler_blobs", "Wrapped blobs of the current epoch, by class.", []string{"class"}, nil)
	metricState = prometheus.NewDesc("tumbler_rotation_state", "State of the open or last order; 1 for the state it is in.", []string{"state"}, nil)
	metricDone  = prometheus.NewDesc("tumbler_rotation_keys_rewrapped", "Keys rewrapped in the present passes of the open or last rotation.", nil, nil)
	metricTotal = prometheus.NewDesc("tumbler_rotation_keys", "Keys that the open or last rotation covers.", nil, nil)
	metricIndex = prometheus.NewDesc("tumbler_applied_index", "Index of the last command in this node's state.", nil, nil)
	metricFree  = prometheus.NewDesc("tumbler_disk_free_bytes", "Space left for data_dir.", nil, nil)
	metricLow   = prometheus.NewDesc("tumbler_disk_low", "1 if less space is left than disk.low_mib.", nil, nil)
	metricKept  = prometheus.NewDesc("tumbler_disk_reserve_bytes", "The reserve that is kept in data_dir; 0 once it was given up.", nil, nil)
	metricReady = prometheus.NewDesc("tumbler_ready", "1 if the node serves what its role serves.", nil, nil)
)

// Describe is prometheus.Collector's.
func (c *stateCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{metricBlobs, metricState, metricDone, metricTotal, metricIndex, metricFree, metricLow, metricKept, metricReady} {
		to <- d
	}
}

// Collect is prometheus.Collector's.
func (c *stateCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(metricIndex, float64(c.node.store.AppliedIndex()))
	disk := c.node.disk.status()
	gauge(metricFree, float64(disk.Free))
	gauge(metricLow, oneIf(disk.Low))
	gauge(metricKept, float64(disk.Reserved))
	gauge(metricReady, oneIf(c.node.notReady() == ""))
	view, err := c.node.store.View()
	if err != nil {
		return
	}
	defer view.Close()
	census := view.Cluster().Census
	gauge(metricBlobs, float64(census.System), "system_internal")
	gauge(metricBlobs, float64(census.KMS), "kms")
	gauge(metricBlobs, float64(census.EP11), "ep11")
	rotation, ok := view.Rotation()
	if !ok {
		gauge(metricState, 1, fsm.StateNone.String())
		return
	}
	gauge(metricState, 1, rotation.State.String())
	gauge(metricDone, float64(rotation.Done.Sum()))
	gauge(metricTotal, float64(rotation.Rewrap.Census.Sum()))
}

func oneIf(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}
