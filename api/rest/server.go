package rest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/kms"
)

// Config is what a Server is made of. Service is required.
type Config struct {
	Service *kms.Service
	MaxBody int64         // bytes of a request; 0: 128 KiB
	Timeout time.Duration // of a call; 0: 20 s, below the 30 s that the published client waits
	Logger  hclog.Logger  // nil: none. It gets faults of ours alone; calls are in kms's audit trail
}

// Server serves /identity/token and /api/v2. It is an http.Handler, for these two paths or for everything.
type Server struct {
	kms     *kms.Service
	maxBody int64
	timeout time.Duration
	log     hclog.Logger
	mux     *http.ServeMux
}

// New makes a Server.
func New(c Config) (*Server, error) {
	if c.Service == nil {
		return nil, errors.New("rest: Service is required")
	}
	if c.MaxBody == 0 {
		c.MaxBody = 128 << 10
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	s := &Server{kms: c.Service, maxBody: c.MaxBody, timeout: c.Timeout, log: c.Logger, mux: http.NewServeMux()}
	s.routes()
	return s, nil
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := correlationID(r)
	w.Header().Set("Correlation-Id", id)
	w.Header().Set("Cache-Control", "no-store")
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), correlationKey{}, id), s.timeout)
	defer cancel()
	r = r.WithContext(ctx)
	limit := s.maxBody
	if r.URL.Path == bulkPath {
		limit = max(limit, maxBulkBody)
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	s.mux.ServeHTTP(w, r)
}
