// Package cluster is the commands about members, status, tokens, logs and snapshots of a cluster.
package cluster
