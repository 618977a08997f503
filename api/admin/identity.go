package admin

import (
	"crypto/tls"
	"net/http"
	"regexp"
	"strings"

	"tumbler/api/client"
)

const clientURI = "tumbler://client/"

var clientName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

type callerKey struct{}

// caller is the name that identify gave; empty if it refused.
func caller(r *http.Request) string {
	who, _ := r.Context().Value(callerKey{}).(string)
	return who
}

// identify gives the name in the certificate of the connection. The certificate was verified by the TLS listener, which
// is why one without a verified chain is none.
func identify(state *tls.ConnectionState) (string, error) {
	if state == nil || len(state.PeerCertificates) == 0 || len(state.VerifiedChains) == 0 {
		return "", &client.Error{Code: client.CodeUnauthenticated,
			Message: "the administration interface needs a client certificate",
			Hint:    "give one that this cluster's CA signed, with SAN URI tumbler://client/<name>: make it with `tumbler pki client`"}
	}
	var names []string
	for _, uri := range state.PeerCertificates[0].URIs {
		if name, ok := strings.CutPrefix(uri.String(), clientURI); ok && clientName.MatchString(name) {
			names = append(names, name)
		}
	}
	if len(names) != 1 {
		return "", &client.Error{Code: client.CodeForbidden,
			Message: "the client certificate names no administrator",
			Hint:    "use a certificate with exactly one SAN URI tumbler://client/<name>, not a node's: make it with `tumbler pki client`"}
	}
	return names[0], nil
}
