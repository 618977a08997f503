package rest

import (
	"net/http"
	"sort"
	"strings"

	"tumbler/kms"
)

const (
	tokenPath = "/identity/token"
	prefix    = "/api/v2/"

	// bulkPath is ours, and not below keys/, where anything is a key's alias.
	bulkPath = prefix + "bulk/keys"
)

// routes is the whole interface. Paths that are known take no other method, and there are no other paths.
func (s *Server) routes() {
	table := map[string]http.HandlerFunc{
		"POST " + tokenPath: s.token,

		"GET " + prefix + "keys":                       handle(s, noBody, s.listKeys),
		"POST " + prefix + "keys":                      handle(s, needBody, s.createKey),
		"POST " + bulkPath:                             handle(s, needBody, s.createKeys),
		"GET " + prefix + "keys/{key}":                 handle(s, noBody, s.getKey),
		"DELETE " + prefix + "keys/{key}":              handle(s, noBody, s.deleteKey),
		"GET " + prefix + "keys/{key}/metadata":        handle(s, noBody, s.getMetadata),
		"GET " + prefix + "keys/{key}/versions":        handle(s, noBody, s.listVersions),
		"DELETE " + prefix + "keys/{key}/purge":        handle(s, noBody, s.purgeKey),
		"POST " + prefix + "keys/{key}/restore":        handle(s, mayBody, s.restoreKey),
		"POST " + prefix + "keys/{key}/actions/wrap":   handle(s, mayBody, s.wrap),
		"POST " + prefix + "keys/{key}/actions/unwrap": handle(s, needBody, s.unwrap),
		"POST " + prefix + "keys/{key}/actions/rewrap": handle(s, needBody, s.rewrap),
		"POST " + prefix + "keys/{key}/actions/rotate": handle(s, mayBody, s.rotate),
	}
	methods := map[string][]string{}
	for pattern, handler := range table {
		method, path, _ := strings.Cut(pattern, " ")
		methods[path] = append(methods[path], method)
		s.mux.HandleFunc(pattern, handler)
	}
	for path, known := range methods {
		sort.Strings(known)
		allow := strings.Join(known, ", ")
		s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allow)
			s.fail(w, r, kms.ErrMethod, r.Method+" is not allowed here; allowed: "+allow)
		})
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, kms.ErrEndpoint, "there is no such path in this interface")
	})
}

// fail answers with one of the refusals and a detail.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, refusal *kms.Error, detail string) {
	s.writeError(w, r, &kms.Error{Code: refusal.Code, Detail: detail})
}
