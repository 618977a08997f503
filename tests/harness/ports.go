package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// The ports of one node, from its API port on: API, cluster, gossip (TCP and UDP) and health.
const portsPerNode = 4

// Ports below those that systems give to outgoing connections, which would otherwise take a node's port while it is down.
const (
	firstPort = 12_000
	lastPort  = 32_000
)

// freePorts finds that many nodes' API ports, with what follows each.
func freePorts(nodes int) ([]int, error) {
	var found []int
	for tries := 0; len(found) < nodes; tries++ {
		if tries > 1000 {
			return nil, errors.New("no free ports on loopback")
		}
		port := firstPort + portsPerNode*rand.IntN((lastPort-firstPort)/portsPerNode)
		if free(port) && !contains(found, port) {
			found = append(found, port)
		}
	}
	return found, nil
}

// FreeBase finds a port P such that those of unit N, from P + 10 N on, are free for that many units: as scripts/dev-cluster.sh
// counts them.
func FreeBase(units int) (int, error) {
next:
	for range 1000 {
		base := firstPort + rand.IntN(lastPort-firstPort-10*units)
		for n := range units {
			if !free(base + 10*(n+1)) {
				continue next
			}
		}
		return base, nil
	}
	return 0, errors.New("no free ports on loopback")
}

func contains(list []int, n int) bool {
	for _, other := range list {
		if other == n {
			return true
		}
	}
	return false
}

func free(port int) bool {
	for n := port; n < port+portsPerNode; n++ {
		address := fmt.Sprintf("127.0.0.1:%d", n)
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return false
		}
		listener.Close()
		packets, err := net.ListenPacket("udp", address)
		if err != nil {
			return false
		}
		_ = packets.Close()
	}
	return true
}
