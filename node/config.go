package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"
)

// Config is a node's configuration file. It is YAML, decoded strictly: an unknown or repeated key is an error. configs/
// explains every key. Relative paths are relative to the folder of the file.
type Config struct {
	// Instance is the UUID of the service instance: the set of crypto units under one master key. Required.
	Instance string `yaml:"instance"`
	// Number is the crypto unit's number, from 1: its name in orders, statements, certificates and Raft. It never
	// changes, and no other node of the instance has it. Required.
	Number uint32 `yaml:"number"`
	// Role is operational (serves keys) or recovery (holds the master key as backup, generates new ones, and serves no
	// clients). Required.
	Role string `yaml:"role"`
	// Location is [region].[zone].[nn].[nn]. Default local.zone-1.01.NN, with the number.
	Location string `yaml:"location"`
	// DataDir holds the unit's sealed file, the log and the store. One node a folder. Required.
	DataDir string `yaml:"data_dir"`

	// OneCustodian lets one administrator load several key parts although the signature threshold is 2 or more. Default false.
	OneCustodian bool `yaml:"key_parts_by_one_administrator"`

	Listen   Listen   `yaml:"listen"`
	TLS      TLS      `yaml:"tls"`
	Gossip   Gossip   `yaml:"gossip"`
	Sealing  Sealing  `yaml:"sealing"`
	Disk     Disk     `yaml:"disk"`
	Timeouts Timeouts `yaml:"timeouts"`
	Log      Log      `yaml:"log"`

	// StandBy is no key of the file but a flag of the command: the node follows its cluster and answers for its unit, and
	// does nothing else, so that a unit that was rolled back can be zeroized.
	StandBy bool `yaml:"-"`
}

// Listen says where the node listens. A port that is 0 or left out is the default for the unit's number.
type Listen struct {
	// Host is the address to listen on: an IP address or a name. Default 127.0.0.1.
	Host string `yaml:"host"`
	// Advertise is the address under which other nodes reach this one. Default: Host; required if that is 0.0.0.0 or ::.
	Advertise string `yaml:"advertise"`
	// API is the TCP port of /api/v2 and /admin/v1, TLS 1.3. Default 8433 + 10 × number.
	API int `yaml:"api"`
	// Cluster is the TCP port of Raft and node RPC, mutual TLS 1.3. Default: API default + 1.
	Cluster int `yaml:"cluster"`
	// Gossip is the TCP and UDP port of membership hints, encrypted with the gossip key. Default: API default + 2.
	Gossip int `yaml:"gossip"`
	// Health is the TCP port of /healthz, /readyz and /metrics: plain HTTP, and therefore on 127.0.0.1 whatever Host
	// says. Default: API default + 3.
	Health int `yaml:"health_loopback_plaintext"`
}

// TLS names PEM files, for the API port and between nodes.
type TLS struct {
	CA   string `yaml:"ca"`   // the authority that signs nodes' and administrators' certificates. Required.
	Cert string `yaml:"cert"` // this node's, with SAN URI tumbler://node/<number>. Required.
	Key  string `yaml:"key"`  // its private key; readable by the owner alone. Required.
}

// Gossip is about membership hints.
type Gossip struct {
	// KeyFile holds one or more keys, each the base64 of 32 random bytes on a line of its own: the first seals, all open.
	// The same on every node; readable by the owner alone. Required.
	KeyFile string `yaml:"key_file"`
}

// Kinds of sealing.
const SealingKeyFile = "keyfile"

// Sealing protects the unit's file at rest.
type Sealing struct {
	// Type is keyfile: the file key is wrapped by a key in a file. Default keyfile.
	Type string `yaml:"type"`
	// KeyFile holds one or more keys, each the base64 of 32 random bytes on a line of its own: the first seals, all open.
	// Readable by the owner alone, on another disk than DataDir if there is one. Required.
	KeyFile string `yaml:"key_file"`
}

// Disk is about the space that is left for DataDir. Sizes are in MiB.
type Disk struct {
	// Low is the low mark: while less is free on the disk of a member, no node rewraps, and new keys are refused by it and
	// by the cluster that it leads. Default 512; not below twice Reserve.
	Low uint64 `yaml:"low_mib"`
	// Reserve is the size of a file in DataDir that is given up when less than its size is free, so that what ends a
	// rotation, a cancel above all, can still be written. It is made again when there is room. Default 64.
	Reserve uint64 `yaml:"reserve_mib"`
}

const mebibyte = 1 << 20

func (d Disk) low() uint64     { return d.Low * mebibyte }
func (d Disk) reserve() uint64 { return d.Reserve * mebibyte }

// Timeouts are spans such as 500ms, 5s, 1m.
type Timeouts struct {
	// Heartbeat is how long a follower hears nothing from the leader before it stands for election. Default 500ms.
	Heartbeat time.Duration `yaml:"heartbeat"`
	// Election is how long a candidate waits for votes. Default 500ms; not below Heartbeat.
	Election time.Duration `yaml:"election"`
	// Client is how long a client of any node may wait for the cluster before nodes rewrap more slowly. Default 20ms.
	Client time.Duration `yaml:"client"`
	// Lease is how long an owner of partitions may make no progress before another node takes them over. Default 5s; not
	// below four times Election, so that a change of leader alone moves no partition.
	Lease time.Duration `yaml:"lease"`
	// Fence is how long the last steps of a rotation wait for a silent unit before it is fenced. Default 30s; not below
	// Lease.
	Fence time.Duration `yaml:"fence"`
}

// Log is about the node's own log, on standard error.
type Log struct {
	Level  string `yaml:"level"`  // trace, debug, info, warn or error. Default info.
	Format string `yaml:"format"` // json or text. Default json.
}

// Roles of a node, as the configuration names them.
const (
	RoleOperational = "operational"
	RoleRecovery    = "recovery"
)

// The ports of unit N, unless the configuration names others: API 8433 + 10 N, and the next three.
const (
	firstPort    = 8433
	portsPerUnit = 10
)

// DefaultPort is the default API port of a unit; cluster, gossip and health are the next three.
func DefaultPort(number uint32) int { return firstPort + portsPerUnit*int(number) }

// LoadConfig reads a configuration file, fills in defaults, makes paths absolute, and validates. Every problem is in the
// error, each with its key and what to do. Files that it names are looked at by [Config.CheckFiles].
func LoadConfig(path string) (Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return Config{}, err
	}
	data, err := os.ReadFile(absolute)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("configuration %s does not exist: copy one of configs/ and adapt it", path)
	}
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c.relativeTo(filepath.Dir(absolute)), nil
}

// ParseConfig is LoadConfig for bytes; it leaves paths as they are.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	decoder := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := decoder.Decode(&c); err != nil {
		if errors.Is(err, io.EOF) {
			return Config{}, errors.New("it is empty: copy one of configs/ and adapt it")
		}
		return Config{}, fmt.Errorf("%s\nconfigs/ lists every key with its meaning", yaml.FormatError(err, false, true))
	}
	if err := decoder.Decode(new(Config)); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("it holds more than one YAML document: keep one node a file")
	}
	c = c.withDefaults()
	return c, c.Validate()
}

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	set(&c.Location, fmt.Sprintf("local.zone-1.01.%02d", c.Number))
	set(&c.Listen.Host, "127.0.0.1")
	set(&c.Listen.Advertise, c.Listen.Host)
	if c.Number > 0 && c.Number <= maxNumber {
		set(&c.Listen.API, DefaultPort(c.Number))
		set(&c.Listen.Cluster, DefaultPort(c.Number)+1)
		set(&c.Listen.Gossip, DefaultPort(c.Number)+2)
		set(&c.Listen.Health, DefaultPort(c.Number)+3)
	}
	set(&c.Sealing.Type, SealingKeyFile)
	set(&c.Disk.Low, 512)
	set(&c.Disk.Reserve, 64)
	set(&c.Timeouts.Heartbeat, 500*time.Millisecond)
	set(&c.Timeouts.Election, 500*time.Millisecond)
	set(&c.Timeouts.Client, 20*time.Millisecond)
	set(&c.Timeouts.Lease, 5*time.Second)
	set(&c.Timeouts.Fence, 30*time.Second)
	set(&c.Log.Level, "info")
	set(&c.Log.Format, "json")
	return c
}

func set[T comparable](field *T, value T) {
	var none T
	if *field == none {
		*field = value
	}
}

// relativeTo makes paths absolute.
func (c Config) relativeTo(dir string) Config {
	for _, path := range []*string{&c.DataDir, &c.TLS.CA, &c.TLS.Cert, &c.TLS.Key, &c.Gossip.KeyFile, &c.Sealing.KeyFile} {
		if !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
	return c
}
