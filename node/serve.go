package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"tumbler/api/admin"
	"tumbler/api/client"
	"tumbler/api/rest"
	"tumbler/cluster/tap"
)

// openServers opens the API and the health port.
func (n *Node) openServers(tls *apiCredentials) ([]*server, error) {
	api, err := n.apiHandler()
	if err != nil {
		return nil, err
	}
	health, err := healthHandler(n)
	if err != nil {
		return nil, err
	}
	apiPort, err := listen("listen.api", n.config.Listen.Host, n.config.Listen.API)
	if err != nil {
		return nil, err
	}
	plain, err := healthPort(n.config.Listen)
	if err != nil {
		return nil, errors.Join(err, apiPort.Close())
	}
	one, err := serve(tap.Listener("api", apiPort), api, tls.server(), n.log.Named("api"))
	if err != nil {
		return nil, err
	}
	other, err := serve(plain, health, nil, n.log.Named("health"))
	return []*server{one, other}, err
}

// apiHandler puts the interfaces of the API port side by side.
func (n *Node) apiHandler() (http.Handler, error) {
	keys, err := rest.New(rest.Config{Service: n.keys, Logger: n.log.Named("rest")})
	if err != nil {
		return nil, fmt.Errorf("the key interface: %w", err)
	}
	administration := admin.New(n.adminBackend())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, client.Prefix):
			administration.ServeHTTP(w, r)
		case n.config.Role == RoleRecovery:
			noClients(w, http.StatusForbidden, "RECOVERY_UNIT_ERR", "this is a recovery crypto unit, which serves no clients")
		case n.removedBy.Load() != 0:
			noClients(w, http.StatusServiceUnavailable, "REMOVED_UNIT_ERR", "this node's crypto unit was removed from the instance")
		default:
			keys.ServeHTTP(w, r)
		}
	}), nil
}

// noClients is the answer of a node that serves no callers of keys, in the published envelope.
func noClients(w http.ResponseWriter, status int, code, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the caller has gone away
		"metadata": map[string]any{"collectionType": "application/vnd.ibm.kms.error+json", "collectionTotal": 1},
		"resources": []any{map[string]any{
			"errorMsg": http.StatusText(status) + ": " + why + ". Call an operational one.",
			"reasons":  []any{map[string]any{"code": code, "message": why, "status": status, "moreInfo": ""}},
		}},
	})
}
