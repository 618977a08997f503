package node

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// maxNumber keeps the default ports of every unit below 65536.
const maxNumber = 5000

// keySize is the size of gossip and sealing keys.
const keySize = 32

// maxKeys bounds a key file.
const maxKeys = 8

// BadValue is one thing wrong with a configuration.
type BadValue struct {
	Key     string // as in the file: listen.api
	Problem string // what is wrong, and what to do
}

func (b *BadValue) Error() string { return b.Key + ": " + b.Problem }

// Validate looks at every value, and gives every problem as a *BadValue (joined). It looks at no file.
func (c Config) Validate() error {
	var v validation
	v.identity(c)
	v.listen(c.Listen)
	v.files(c)
	v.disk(c.Disk)
	v.timeouts(c.Timeouts)
	v.oneOf("log.level", c.Log.Level, "trace", "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "json", "text")
	return errors.Join(v.problems...)
}

type validation struct{ problems []error }

func (v *validation) bad(key, format string, args ...any) {
	v.problems = append(v.problems, &BadValue{key, fmt.Sprintf(format, args...)})
}

func (v *validation) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.bad(key, "%q is not one of %s", value, strings.Join(allowed, ", "))
	}
}

var locationForm = regexp.MustCompile(`^[A-Za-z0-9-]+\.[A-Za-z0-9-]+\.[0-9]{2}\.[0-9]{2}$`)

func (v *validation) identity(c Config) {
	if c.Instance == "" {
		v.bad("instance", "is missing: give the UUID of the service instance, the same on every node (make one with uuidgen)")
	} else if id, err := uuid.Parse(c.Instance); err != nil || id.String() != c.Instance {
		v.bad("instance", "%q is not a UUID in lower case, such as 0c2f8a5e-9f1b-4c7e-8f53-2f1f0a6f6f10", c.Instance)
	} else if id == uuid.Nil {
		v.bad("instance", "is the all-zero UUID, which stands for none: make one with uuidgen")
	}
	switch {
	case c.Number == 0:
		v.bad("number", "is missing or 0: give the crypto unit's number, from 1")
	case c.Number > maxNumber:
		v.bad("number", "%d is above %d: choose a lower one", c.Number, maxNumber)
	}
	if c.Role == "" {
		v.bad("role", "is missing: operational or recovery")
	} else {
		v.oneOf("role", c.Role, RoleOperational, RoleRecovery)
	}
	if !locationForm.MatchString(c.Location) {
		v.bad("location", "%q is not [region].[zone].[nn].[nn], such as eu-de.zone-1.01.02", c.Location)
	}
}

func (v *validation) listen(l Listen) {
	if strings.ContainsAny(l.Host, ":/ ") && net.ParseIP(l.Host) == nil {
		v.bad("listen.host", "%q is not a host: give an IP address or a name, and ports by their own keys", l.Host)
	}
	switch ip := net.ParseIP(l.Advertise); {
	case ip != nil && ip.IsUnspecified():
		v.bad("listen.advertise", "is needed when listen.host is %s: give the address under which other nodes reach this one", l.Host)
	case ip == nil && strings.ContainsAny(l.Advertise, ":/ "):
		v.bad("listen.advertise", "%q is not a host: give an IP address or a name, without a port", l.Advertise)
	}
	taken := map[int]string{}
	for _, p := range []struct {
		key  string
		port int
	}{{"listen.api", l.API}, {"listen.cluster", l.Cluster}, {"listen.gossip", l.Gossip}, {"listen.health_loopback_plaintext", l.Health}} {
		switch {
		case p.port == 0: // the number is bad, and has been named
		case p.port < 1 || p.port > 65535:
			v.bad(p.key, "%d is not a port: 1 to 65535", p.port)
		case taken[p.port] != "":
			v.bad(p.key, "%d is also %s: give each its own port", p.port, taken[p.port])
		default:
			taken[p.port] = p.key
		}
	}
}

func (v *validation) files(c Config) {
	for _, f := range []struct{ key, path, what string }{
		{"data_dir", c.DataDir, "the folder for this node's data"},
		{"tls.ca", c.TLS.CA, "the CA's PEM file (`tumbler pki init` makes a development CA)"},
		{"tls.cert", c.TLS.Cert, "this node's PEM certificate (`tumbler pki node` makes one)"},
		{"tls.key", c.TLS.Key, "the PEM file of its private key"},
		{"gossip.key_file", c.Gossip.KeyFile, "a file with the base64 of 32 random bytes (`openssl rand -base64 32`)"},
	} {
		if f.path == "" {
			v.bad(f.key, "is missing: give %s", f.what)
		}
	}
	switch c.Sealing.Type {
	case SealingKeyFile:
		if c.Sealing.KeyFile == "" {
			v.bad("sealing.key_file", "is missing: give a file with the base64 of 32 random bytes (`openssl rand -base64 32`)")
		}
	case "transit":
		v.bad("sealing.type", "transit is not part of this build: use keyfile")
	default:
		v.bad("sealing.type", "%q is not a kind of sealing: use keyfile", c.Sealing.Type)
	}
}

func (v *validation) disk(d Disk) {
	const most = 1 << 20 // 1 TiB
	switch {
	case d.Reserve > most:
		v.bad("disk.reserve_mib", "%d is above %d: sizes are in MiB, 64 is usual", d.Reserve, most)
	case d.Low > most:
		v.bad("disk.low_mib", "%d is above %d: sizes are in MiB, 512 is usual", d.Low, most)
	case d.Low < 2*d.Reserve:
		v.bad("disk.low_mib", "%d is below twice disk.reserve_mib (%d): make it at least that", d.Low, d.Reserve)
	}
}

func (v *validation) timeouts(t Timeouts) {
	const least = 5_000_000 // 5 ms: below it raft's own timers fail
	switch {
	case t.Heartbeat < least:
		v.bad("timeouts.heartbeat", "%s is too short: at least 5ms, 500ms is usual", t.Heartbeat)
	case t.Election < t.Heartbeat:
		v.bad("timeouts.election", "%s is below timeouts.heartbeat (%s): make it at least that", t.Election, t.Heartbeat)
	case t.Client < 1_000_000:
		v.bad("timeouts.client", "%s is too short: at least 1ms, 20ms is usual, with 24h a rewrap only begins slowly", t.Client)
	case t.Lease < 4*t.Election:
		v.bad("timeouts.lease", "%s is below four times timeouts.election (%s): a change of leader would move partitions", t.Lease, t.Election)
	case t.Fence < t.Lease:
		v.bad("timeouts.fence", "%s is below timeouts.lease (%s): make it at least that", t.Fence, t.Lease)
	}
}

// CheckFiles looks at the files that the configuration names, before anything is opened: a missing or readable-by-all file
// is named, with what to do.
func (c Config) CheckFiles() error {
	var problems []error
	for _, f := range []struct {
		key, path string
		private   bool
		fix       string
	}{
		{"tls.ca", c.TLS.CA, false, "`tumbler pki init --dir DIR` makes a development CA"},
		{"tls.cert", c.TLS.Cert, false, "`tumbler pki node --number " + strconv.Itoa(int(c.Number)) + "` makes one"},
		{"tls.key", c.TLS.Key, true, "`tumbler pki node --number " + strconv.Itoa(int(c.Number)) + "` makes it with its certificate"},
		{"gossip.key_file", c.Gossip.KeyFile, true, "`(umask 077; openssl rand -base64 32 > FILE)` makes one; every node has the same"},
		{"sealing.key_file", c.Sealing.KeyFile, true, "`(umask 077; openssl rand -base64 32 > FILE)` makes one; without the old one the unit's file cannot be opened"},
	} {
		if problem := checkFile(f.path, f.private, f.fix); problem != "" {
			problems = append(problems, &BadValue{f.key, problem})
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if _, err := ReadKeys(c.Gossip.KeyFile); err != nil {
		problems = append(problems, &BadValue{"gossip.key_file", err.Error()})
	}
	if _, err := ReadKeys(c.Sealing.KeyFile); err != nil {
		problems = append(problems, &BadValue{"sealing.key_file", err.Error()})
	}
	return errors.Join(problems...)
}

func checkFile(path string, private bool, fix string) string {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("%s does not exist: %s", path, fix)
	case err != nil:
		return fmt.Sprintf("%v: give this process the right to read it", err)
	case info.IsDir():
		return fmt.Sprintf("%s is a folder: name the file in it", path)
	case private && info.Mode().Perm()&0o077 != 0:
		return fmt.Sprintf("%s can be read by others (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	return ""
}

// ReadKeys reads a key file: the base64 of 32 bytes a line; empty lines and lines that begin with # do not count. The
// first is the one to use, the others only open.
func ReadKeys(path string) ([][]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	for number, line := range bytes.Split(data, []byte("\n")) {
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		key, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || len(key) != keySize || strings.Contains(text, "\r") { // which decoders skip, even strict ones
			return nil, fmt.Errorf("%s: line %d is not the base64 of %d bytes: make a key with `openssl rand -base64 32`", path, number+1, keySize)
		}
		keys = append(keys, key)
	}
	if len(keys) > maxKeys {
		return nil, fmt.Errorf("%s holds %d keys, more than %d: remove those that are not used any more", path, len(keys), maxKeys)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no key: make one with `openssl rand -base64 32`", path)
	}
	return keys, nil
}
