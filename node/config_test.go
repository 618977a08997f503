package node

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const minimal = `instance: 0c2f8a5e-9f1b-4c7e-8f53-2f1f0a6f6f10
number: 2
role: recovery
data_dir: data
tls: {ca: ca.pem, cert: node.pem, key: /keys/node.key}
gossip: {key_file: gossip.key}
sealing: {key_file: sealing.key}
`

func TestEveryFileInConfigsIsValid(t *testing.T) {
	files, err := filepath.Glob("../configs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in configs/: %v", err)
	}
	for _, file := range files {
		c, err := LoadConfig(file)
		if err != nil {
			t.Error(err)
		}
		if !filepath.IsAbs(c.DataDir) {
			t.Errorf("%s: data_dir %q is not absolute after loading", file, c.DataDir)
		}
	}
}

// What a comment shows as a default must be the default: so the files are read again with those lines in force.
func TestCommentedDefaultsInConfigsAreTheDefaults(t *testing.T) {
	commented := regexp.MustCompile(`(?m)^( *)# ([a-z_]+: [0-9a-z]+)( +#.*)?$`)
	for _, name := range []string{"operational.yaml", "recovery.yaml"} {
		data, err := os.ReadFile(filepath.Join("../configs", name))
		if err != nil {
			t.Fatal(err)
		}
		found := commented.FindAllSubmatch(data, -1)
		if len(found) != 15 {
			t.Errorf("%s shows %d defaults, not 15", name, len(found))
		}
		asIs, err := ParseConfig(data)
		if err != nil {
			t.Fatal(err)
		}
		inForce, err := ParseConfig(commented.ReplaceAll(data, []byte("$1$2")))
		if err != nil {
			t.Fatal(err)
		}
		if asIs != inForce {
			t.Errorf("%s: defaults shown\n%+v\nare not those in force\n%+v", name, inForce, asIs)
		}
	}
}

func TestDefaultsFollowTheNumber(t *testing.T) {
	c, err := ParseConfig([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	if got := []int{c.Listen.API, c.Listen.Cluster, c.Listen.Gossip, c.Listen.Health}; !slices.Equal(got, []int{8453, 8454, 8455, 8456}) {
		t.Errorf("ports of unit 2: %v", got)
	}
	if c.Location != "local.zone-1.01.02" || c.Listen.Advertise != "127.0.0.1" || c.Timeouts.Election != 500*time.Millisecond {
		t.Errorf("defaults: %+v", c)
	}
}

func TestRelativePathsAreRelativeToTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.yaml")
	write(t, path, minimal, 0o644)
	c, err := LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != filepath.Join(filepath.Dir(path), "data") || c.TLS.Key != "/keys/node.key" {
		t.Errorf("data_dir %s, tls.key %s", c.DataDir, c.TLS.Key)
	}
}

func TestABadValueIsNamedWithWhatToDo(t *testing.T) {
	for _, tc := range []struct {
		name, from, to string
		key, says      string // key "": not a BadValue
	}{
		{"missing instance", "instance: 0c2f8a5e-9f1b-4c7e-8f53-2f1f0a6f6f10\n", "", "instance", "uuidgen"},
		{"instance in capitals", "0c2f8a5e", "0C2F8A5E", "instance", "lower case"},
		{"instance of zeros", "0c2f8a5e-9f1b-4c7e-8f53-2f1f0a6f6f10", "00000000-0000-0000-0000-000000000000", "instance", "stands for none"},
		{"missing number", "number: 2\n", "", "number", "from 1"},
		{"number too high", "number: 2", "number: 6000", "number", "choose a lower one"},
		{"missing role", "role: recovery\n", "", "role", "operational or recovery"},
		{"unknown role", "role: recovery", "role: backup", "role", `"backup" is not one of operational, recovery`},
		{"location", "role: recovery", "role: recovery\nlocation: berlin", "location", "[region].[zone].[nn].[nn]"},
		{"host with port", "role: recovery", "role: recovery\nlisten: {host: 'localhost:80'}", "listen.host", "by their own keys"},
		{"nothing to advertise", "role: recovery", "role: recovery\nlisten: {host: '0.0.0.0'}", "listen.advertise", "under which other nodes reach this one"},
		{"port out of range", "role: recovery", "role: recovery\nlisten: {api: 70000}", "listen.api", "1 to 65535"},
		{"port twice", "role: recovery", "role: recovery\nlisten: {api: 9000, gossip: 9000}", "listen.gossip", "is also listen.api"},
		{"missing certificate", "cert: node.pem, ", "", "tls.cert", "tumbler pki node"},
		{"missing gossip key", "gossip: {key_file: gossip.key}\n", "", "gossip.key_file", "openssl rand"},
		{"missing sealing key", "sealing: {key_file: sealing.key}\n", "", "sealing.key_file", "openssl rand"},
		{"transit", "sealing: {key_file", "sealing: {type: transit, key_file", "sealing.type", "use keyfile"},
		{"sealing", "sealing: {key_file", "sealing: {type: tpm, key_file", "sealing.type", "use keyfile"},
		{"low mark", "role: recovery", "role: recovery\ndisk: {low_mib: 100}", "disk.low_mib", "below twice disk.reserve_mib (64)"},
		{"reserve", "role: recovery", "role: recovery\ndisk: {reserve_mib: 9999999}", "disk.reserve_mib", "sizes are in MiB"},
		{"heartbeat", "role: recovery", "role: recovery\ntimeouts: {heartbeat: 1ms}", "timeouts.heartbeat", "at least 5ms"},
		{"election", "role: recovery", "role: recovery\ntimeouts: {election: 100ms}", "timeouts.election", "below timeouts.heartbeat"},
		{"lease", "role: recovery", "role: recovery\ntimeouts: {lease: 1s}", "timeouts.lease", "four times"},
		{"client", "role: recovery", "role: recovery\ntimeouts: {client: 1us}", "timeouts.client", "with 24h a rewrap only begins slowly"},
		{"fence", "role: recovery", "role: recovery\ntimeouts: {fence: 1s}", "timeouts.fence", "below timeouts.lease"},
		{"level", "role: recovery", "role: recovery\nlog: {level: loud}", "log.level", "trace, debug, info"},
		{"format", "role: recovery", "role: recovery\nlog: {format: xml}", "log.format", "json, text"},
		{"unknown key", "role: recovery", "role: recovery\nrolle: x", "", `unknown field "rolle"`},
		{"unknown key inside", "{ca: ca.pem,", "{ca: ca.pem, sni: x,", "", `unknown field "sni"`},
		{"key twice", "role: recovery", "role: recovery\nrole: operational", "", "already defined"},
		{"not a number", "number: 2", "number: two", "", "number: two"},
		{"not a span", "role: recovery", "role: recovery\ntimeouts: {fence: soon}", "", "soon"},
		{"two documents", "role: recovery", "role: recovery\n---\nnumber: 3", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := strings.Replace(minimal, tc.from, tc.to, 1)
			if text == minimal {
				t.Fatal("nothing was replaced")
			}
			_, err := ParseConfig([]byte(text))
			if err == nil {
				t.Fatal("accepted")
			}
			var bad *BadValue
			if errors.As(err, &bad) != (tc.key != "") || tc.key != "" && bad.Key != tc.key {
				t.Errorf("names %v, not %q", bad, tc.key)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("does not say %q: %v", tc.says, err)
			}
		})
	}
}

func TestEveryProblemIsNamedAtOnce(t *testing.T) {
	_, err := ParseConfig([]byte("log: {level: loud}\n"))
	for _, key := range []string{"instance: ", "number: ", "role: ", "data_dir: ", "tls.ca: ", "tls.cert: ", "tls.key: ", "gossip.key_file: ", "sealing.key_file: ", "log.level: "} {
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+key) {
			t.Errorf("%q is not named in: %v", key, err)
		}
	}
}

func TestFilesAreLookedAtBeforeTheStart(t *testing.T) {
	dir := t.TempDir()
	key := base64.StdEncoding.EncodeToString(make([]byte, keySize)) + "\n"
	for name, content := range map[string]string{"ca.pem": "x", "node.pem": "x", "node.key": "x", "gossip.key": "# old and new\n" + key + key, "sealing.key": "# new, then old\n" + key + key} {
		write(t, filepath.Join(dir, name), content, 0o600)
	}
	config := filepath.Join(dir, "node.yaml")
	write(t, config, strings.Replace(minimal, "/keys/node.key", "node.key", 1), 0o644)
	load := func() error {
		t.Helper()
		c, err := LoadConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		return c.CheckFiles()
	}
	if err := load(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		file, content string
		mode          os.FileMode // 0: the file is missing
		key, says     string
	}{
		{"node.pem", "", 0, "tls.cert", "does not exist"},
		{"node.key", "x", 0o644, "tls.key", "chmod 600"},
		{"gossip.key", "\n", 0o600, "gossip.key_file", "holds no key"},
		{"gossip.key", "c2hvcnQ=\n", 0o600, "gossip.key_file", "line 1 is not the base64 of 32 bytes"},
		{"sealing.key", strings.Repeat(key, 9), 0o600, "sealing.key_file", "holds 9 keys, more than 8"},
		{"sealing.key", "", 0, "sealing.key_file", "cannot be opened"},
	} {
		path := filepath.Join(dir, tc.file)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if tc.mode == 0 {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		} else {
			write(t, path, tc.content, tc.mode)
		}
		var bad *BadValue
		if err := load(); !errors.As(err, &bad) || bad.Key != tc.key || !strings.Contains(bad.Problem, tc.says) {
			t.Errorf("%s: %v does not say %q of %s", tc.file, err, tc.says, tc.key)
		}
		write(t, path, string(good), 0o600)
	}
}

func TestAMissingConfigurationSaysWhatToDo(t *testing.T) {
	_, err := LoadConfig(filepath.Join(t.TempDir(), "none.yaml"))
	if err == nil || !strings.Contains(err.Error(), "copy one of configs/") {
		t.Error(err)
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
