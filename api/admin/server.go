package admin

import (
	"context"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/api/client"
)

// MaxBody bounds a request. A settle order that names some ten thousand blobs fits.
const MaxBody = 1 << 20

// Server is the administration interface as an http.Handler. It serves paths under client.Prefix and answers every other
// path with not_found. It is safe for concurrent use.
type Server struct {
	b   Backend
	log hclog.Logger
	now func() time.Time
	mux *http.ServeMux
}

// New makes the handler. It starts nothing.
func New(b Backend) *Server {
	s := &Server{b: b, log: b.Logger, now: b.Now, mux: http.NewServeMux()}
	if s.log == nil {
		s.log = hclog.NewNullLogger()
	}
	if s.now == nil {
		s.now = time.Now
	}
	for path, methods := range s.routes() {
		s.mux.Handle(client.Prefix+path, s.methods(methods))
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.finish(w, r, time.Now(), nil, notFound("there is nothing at %s", r.URL.Path))
	})
	return s
}

// routes is the interface at a glance.
func (s *Server) routes() map[string]map[string]http.HandlerFunc {
	type m = map[string]http.HandlerFunc
	return map[string]m{
		"/status":  {"GET": get(s, s.status)},
		"/members": {"GET": get(s, s.members)},

		"/cluster/bootstrap":       {"POST": post(s, s.bootstrap)},
		"/cluster/join":            {"POST": post(s, s.join)},
		"/cluster/leave":           {"POST": post(s, s.leave)},
		"/cluster/remove":          {"POST": post(s, s.remove)},
		"/cluster/transfer-leader": {"POST": post(s, s.transferLeader)},
		"/cluster/digest":          {"POST": post(s, s.digest)},
		"/cluster/log":             {"GET": get(s, s.entries)},
		"/cluster/snapshot":        {"GET": s.snapshot},
		"/cluster/tokens":          {"GET": get(s, s.tokens), "POST": post(s, s.createToken)},
		"/cluster/tokens/{id}":     {"DELETE": get(s, s.revokeToken)},

		"/units":                         {"GET": get(s, s.units)},
		"/units/{number}/administrators": {"POST": post(s, s.setAdministrators)},
		"/units/{number}/zeroize":        {"POST": post(s, s.zeroize)},
		"/units/{number}/parts":          {"POST": post(s, s.loadPart)},
		"/units/{number}/clear-current":  {"POST": post(s, s.clearCurrent)},

		"/orders/context":            {"GET": get(s, s.orderContext)},
		"/orders":                    {"POST": post(s, s.submitOrder)},
		"/orders/{digest}/approvals": {"POST": post(s, s.approve)},
		"/dry-run":                   {"POST": post(s, s.dryRun)},

		"/rotation":                   {"GET": get(s, s.rotation)},
		"/rotation/pace":              {"POST": post(s, s.pace)},
		"/rotations":                  {"GET": get(s, s.rotations)},
		"/rotations/{digest}/receipt": {"GET": get(s, s.receipt)},

		"/apikeys":      {"GET": get(s, s.apiKeys), "POST": post(s, s.createAPIKey)},
		"/apikeys/{id}": {"DELETE": get(s, s.deleteAPIKey)},
	}
}

// ServeHTTP is the one door: who calls is settled before what is asked is looked at.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, err := identify(r.TLS)
	r = r.WithContext(context.WithValue(r.Context(), callerKey{}, who))
	if err != nil {
		s.finish(w, r, time.Now(), nil, err)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// methods serves one path.
func (s *Server) methods(methods map[string]http.HandlerFunc) http.Handler {
	allowed := make([]string, 0, len(methods))
	for method := range methods {
		allowed = append(allowed, method)
	}
	sort.Strings(allowed)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if handle, ok := methods[r.Method]; ok {
			handle(w, r)
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		s.finish(w, r, time.Now(), nil, &client.Error{Code: client.CodeMethodNotAllowed,
			Message: r.Method + " is not for " + r.URL.Path, Hint: "use " + strings.Join(allowed, " or ")})
	})
}
