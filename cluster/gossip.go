package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

// gossip is memberlist: who seems to be alive, and where its API is. Hints only.
type gossip struct {
	list    *memberlist.Memberlist
	address string
	heard   *heard

	changing sync.Mutex // the keys
	keyring  *memberlist.Keyring
}

// heard is who is alive, as memberlist tells it. (What Memberlist.Members returns is written to while one reads it.)
type heard struct {
	mu    sync.Mutex
	nodes map[uint32]gossipMeta
}

func (h *heard) NotifyJoin(n *memberlist.Node)   { h.set(n, true) }
func (h *heard) NotifyUpdate(n *memberlist.Node) { h.set(n, true) }
func (h *heard) NotifyLeave(n *memberlist.Node)  { h.set(n, false) }

func (h *heard) set(n *memberlist.Node, alive bool) {
	number, err := parseNumber(n.Name)
	if err != nil {
		return
	}
	meta, err := decodeGossipMeta(n.Meta)
	h.mu.Lock()
	defer h.mu.Unlock()
	if alive && err == nil {
		h.nodes[number] = meta
	} else {
		delete(h.nodes, number)
	}
}

// gossipMeta is what a node says of itself. The names are short, for a packet carries them.
type gossipMeta struct {
	Number  uint32 `json:"n"`
	Address string `json:"a"` // of Raft and of calls
	API     string `json:"i,omitempty"`
	Role    string `json:"r,omitempty"`
}

var errGossipMeta = errors.New("not a node's gossip")

// decodeGossipMeta reads what a node writes, and nothing else.
func decodeGossipMeta(b []byte) (m gossipMeta, err error) {
	if err := json.Unmarshal(b, &m); err != nil {
		return gossipMeta{}, fmt.Errorf("%w: %w", errGossipMeta, err)
	}
	again, err := json.Marshal(m)
	if err != nil || !bytes.Equal(again, b) || m.Number == 0 || len(b) > memberlist.MetaMaxSize {
		return gossipMeta{}, errGossipMeta
	}
	return m, nil
}

func openGossip(cfg Config, address string, logger quiet) (*gossip, error) {
	meta, err := json.Marshal(gossipMeta{Number: cfg.Number, Address: address, API: cfg.Meta.APIAddress, Role: cfg.Meta.Role})
	if err != nil {
		return nil, err
	}
	if len(meta) > memberlist.MetaMaxSize {
		return nil, &ConfigError{Key: "address", Value: address, Err: errors.New("longer than gossip carries"), Hint: "use a shorter host name"}
	}
	keyring, err := memberlist.NewKeyring(cfg.Gossip.Keyring, cfg.Gossip.Keyring[0])
	if err != nil {
		return nil, &ConfigError{Key: "gossip.keyring", Err: err, Hint: "put the same key of 32 random bytes on every node"}
	}
	bind, err := net.ResolveTCPAddr("tcp", cfg.Gossip.Listen)
	if err != nil {
		return nil, &ConfigError{Key: "gossip.listen", Value: cfg.Gossip.Listen, Err: err, Hint: "write an IP address and a port"}
	}
	lines := logger.lines()
	bindIP := "0.0.0.0"
	if bind.IP != nil {
		bindIP = bind.IP.String()
	}
	transport, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{BindAddrs: []string{bindIP}, BindPort: bind.Port, Logger: lines})
	if err != nil {
		if strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) { // memberlist keeps only the text
			err = fmt.Errorf("%w (%w)", syscall.EADDRINUSE, err)
		}
		return nil, listenError("gossip.address", cfg.Gossip.Listen, err)
	}
	told, err := advertise(cfg.Gossip.Address, &net.TCPAddr{IP: bind.IP, Port: transport.GetAutoBindPort()})
	if err != nil {
		return nil, errors.Join(err, transport.Shutdown())
	}
	public, err := net.ResolveTCPAddr("tcp", told)
	if err != nil || public.IP == nil || public.IP.IsUnspecified() {
		return nil, errors.Join(&ConfigError{Key: "gossip.address", Value: cfg.Gossip.Address, Err: errors.Join(errors.New("no address that other nodes can reach"), err), Hint: "name this machine's address, and bind all with gossip.listen"}, transport.Shutdown())
	}
	conf := memberlist.DefaultLANConfig()
	conf.Name = strconv.FormatUint(uint64(cfg.Number), 10)
	conf.Label = "tumbler"
	conf.Transport = transport
	conf.BindAddr, conf.BindPort = bindIP, bind.Port
	conf.AdvertiseAddr, conf.AdvertisePort = public.IP.String(), public.Port
	conf.Keyring = keyring
	conf.Logger = lines
	conf.Delegate = metaDelegate(meta)
	conf.Alive = metaDelegate(meta)
	heard := &heard{nodes: map[uint32]gossipMeta{}}
	conf.Events = heard
	conf.ProbeInterval = 500 * time.Millisecond
	conf.ProbeTimeout = 300 * time.Millisecond
	conf.SuspicionMult = 3
	conf.PushPullInterval = 15 * time.Second
	conf.DeadNodeReclaimTime = time.Second // a node may come back at another address
	tapGossip(conf)
	list, err := memberlist.Create(conf)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start gossip at %s: %w", told, err), transport.Shutdown())
	}
	return &gossip{list: list, address: told, heard: heard, keyring: keyring}, nil
}

// hear joins the gossip at these addresses.
func (g *gossip) hear(addresses []string) error {
	_, err := g.list.Join(addresses)
	return err
}

// alive gives what is heard, this node included.
func (g *gossip) alive() map[uint32]gossipMeta {
	g.heard.mu.Lock()
	defer g.heard.mu.Unlock()
	return maps.Clone(g.heard.nodes)
}

// addressOf is where a node is heard of: the address of Raft and of calls that it tells.
func (g *gossip) addressOf(number uint32) (string, bool) {
	g.heard.mu.Lock()
	defer g.heard.mu.Unlock()
	meta, ok := g.heard.nodes[number]
	return meta.Address, ok
}

// Close says goodbye, and stops.
func (g *gossip) Close() error {
	leave := g.list.Leave(500 * time.Millisecond)
	_ = leave // nobody may be left to hear it
	return g.list.Shutdown()
}

// metaDelegate is this node's own meta; memberlist asks it for that, and whom to believe.
type metaDelegate []byte

func (d metaDelegate) NodeMeta(int) []byte           { return d }
func (metaDelegate) NotifyMsg([]byte)                {}
func (metaDelegate) GetBroadcasts(int, int) [][]byte { return nil }
func (metaDelegate) LocalState(bool) []byte          { return nil }
func (metaDelegate) MergeRemoteState([]byte, bool)   {}
func (metaDelegate) NotifyAlive(n *memberlist.Node) error {
	meta, err := decodeGossipMeta(n.Meta)
	if err != nil {
		return err
	}
	if strconv.FormatUint(uint64(meta.Number), 10) != n.Name {
		return fmt.Errorf("%w: node %s says that it is %d", errGossipMeta, n.Name, meta.Number)
	}
	return nil
}
