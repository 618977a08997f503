package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

const instance = "0c2f8a5e-9f1b-4c7e-8f53-2f1f0a6f6f10"

func someStatus() client.Status {
	return client.Status{
		Node: client.NodeStatus{Number: 1, Role: "operational", Location: "eu-de.zone-1.01.01", Version: "1.0", StartedAt: noon, Ready: true, AppliedIndex: 1234, Converged: true, Disk: client.Disk{Free: 2 << 30, LowMark: 512 << 20, Reserved: 64 << 20}},
		Cluster: client.ClusterStatus{FeatureLevel: 3, Bootstrapped: true, ID: "11111111-1111-4111-8111-111111111111", Incarnation: 1, Instance: instance,
			Leader: 2, Members: 5, Alive: 4, Initialised: true, CurrentPattern: strings.Repeat("3", 64), Epoch: 1, Blobs: client.ClassCounts{SystemInternal: 1, KMS: 10000}},
		Service:  client.ServiceStatus{Refused: []string{"create", "import"}, Reason: "MASTER_KEY_ROTATION_IN_PROGRESS"},
		Rotation: &client.RotationSummary{Number: 2, Kind: "rotate", State: client.StateRewrapping, Percent: 41.5, Waiting: "partitions to be written"},
		Warnings: []string{"node 5 does not answer"},
	}
}

// must runs a command that has to succeed.
func (f *fakeNode) must(input string, args ...string) string {
	f.t.Helper()
	code, out, errs := f.run(f.t.Context(), input, args...)
	if code != command.ExitDone || errs != "" {
		f.t.Fatalf("tumbler %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

func TestClusterStatusForPeople(t *testing.T) {
	f := newFakeNode(t)
	f.answer("GET /status", func(*http.Request) any { return someStatus() })
	golden(t, "cluster-status.txt", f.must("", "cluster", "status"))
}

func TestMembersForPeople(t *testing.T) {
	f := newFakeNode(t)
	f.answer("GET /members", func(*http.Request) any {
		return client.Members{Members: []client.Member{{Number: 1, Address: "localhost:8444", Voter: true, Leader: true, Alive: true, AppliedIndex: 1234}, {Number: 2, Address: "localhost:8454", DiskFree: 300 << 20, DiskLow: true}}}
	})
	golden(t, "cluster-members.txt", f.must("", "cluster", "members"))
}

func TestCryptoUnitsAndTheirSelection(t *testing.T) {
	f := newFakeNode(t)
	f.answer("GET /orders/context", func(*http.Request) any { return client.OrderContext{Instance: instance} })
	f.answer("GET /units", func(*http.Request) any {
		return client.Units{Units: []client.Unit{{Number: 1, Role: "operational", Location: "eu-de.zone-1.01.01"}, {Number: 10, Role: "recovery", Location: "eu-de.zone-2.01.02"}}}
	})
	out := f.must("", "tke", "cryptounits")
	out += f.must("10\n", "tke", "cryptounit-rm")
	out += f.must("", "tke", "cryptounit-add", "--units", "10,1")
	golden(t, "cryptounits.txt", out)
	if code, _, errs := f.run(t.Context(), "1 3\n", "tke", "cryptounit-rm"); code != command.ExitUsage || !strings.Contains(errs, `"3" is not a CRYPTO UNIT NUM of this instance`) {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestBootstrapKeepsTheSecretInAFile(t *testing.T) {
	f := newFakeNode(t)
	f.answer("POST /cluster/bootstrap", func(*http.Request) any {
		return client.Bootstrapped{Cluster: "c", Instance: instance, APIKey: client.CreatedAPIKey{APIKey: client.APIKey{ID: "1", Name: "first", Role: client.RoleManager}, Secret: "the-secret"}}
	})
	file := filepath.Join(t.TempDir(), "manager.key")
	for _, format := range []string{"json", "text"} {
		out := f.must("", "cluster", "bootstrap", "--api-key-out", file, "--output", format)
		if strings.Contains(out, "the-secret") {
			t.Errorf("the secret is shown as well: %s", out)
		}
		data, err := os.ReadFile(file)
		info, _ := os.Stat(file)
		if err != nil || string(data) != "the-secret\n" || info.Mode().Perm() != 0o600 {
			t.Errorf("%q %v %v", data, info.Mode(), err)
		}
		code, _, errs := f.run(t.Context(), "", "cluster", "bootstrap", "--api-key-out", file)
		if code != command.ExitFailed || !strings.Contains(errs, "exists already") {
			t.Errorf("exit code %d: %s", code, errs)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if out := f.must("", "cluster", "bootstrap"); !strings.Contains(out, "the-secret (Manager), shown this once only") {
		t.Error(out)
	}
}

func TestARefusedBootstrapLeavesNoFile(t *testing.T) {
	f := newFakeNode(t)
	f.answer("POST /cluster/bootstrap", func(*http.Request) any {
		return &client.Error{Code: client.CodeConflict, Message: "the node belongs to a cluster already", Hint: "look at `tumbler cluster status`", Status: http.StatusConflict}
	})
	file := filepath.Join(t.TempDir(), "manager.key")
	code, _, errs := f.run(t.Context(), "", "cluster", "bootstrap", "--api-key-out", file)
	if code != command.ExitFailed || errs != "FAILED\nthe node belongs to a cluster already\nlook at `tumbler cluster status`\n" {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was left")
	}
}

func TestARefusalOfTheCryptoModuleKeepsItsWords(t *testing.T) {
	f := newFakeNode(t)
	f.answer("POST /cluster/leave", func(*http.Request) any {
		return &client.Error{Code: client.CodeTooFewSignatures, Message: "one signature is needed", Hint: "sign", ReturnCode: 208, ReasonCode: 3, Status: http.StatusForbidden}
	})
	code, out, errs := f.run(t.Context(), "", "cluster", "leave", "--yes", "--output", "json")
	if code != command.ExitFailed || errs != "FAILED\nError reported by EP11 crypto module.\nReturn code: 208\nReason code: 3\nError message: one signature is needed\nsign\n" {
		t.Errorf("exit code %d: %s", code, errs)
	}
	var wire struct{ Error command.Failure }
	if err := json.Unmarshal([]byte(out), &wire); err != nil || wire.Error != (command.Failure{Code: "too_few_signatures", Message: "one signature is needed", Hint: "sign", ReturnCode: 208, ReasonCode: 3}) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestJoinTakesItsTokenFromTheEnvironmentOrAFile(t *testing.T) {
	f := newFakeNode(t)
	f.answer("POST /cluster/join", func(r *http.Request) any {
		if got := decodeBody[client.JoinRequest](t, r); got != (client.JoinRequest{Address: "localhost:8444", Token: "a-token"}) {
			t.Errorf("%+v", got)
		}
		return client.Done{}
	})
	if code, _, errs := f.run(t.Context(), "", "cluster", "join", "--member", "localhost:8444"); code != command.ExitUsage || !strings.Contains(errs, "TUMBLER_JOIN_TOKEN") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("a-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.must("", "cluster", "join", "--member", "localhost:8444", "--token-file", file)
	f.env["TUMBLER_JOIN_TOKEN"] = "a-token"
	f.must("", "cluster", "join", "--member", "localhost:8444")
}

func TestTokens(t *testing.T) {
	f := newFakeNode(t)
	token := client.Token{ID: "t1", Unit: 4, State: "unused", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}
	f.answer("POST /cluster/tokens", func(r *http.Request) any {
		if got := decodeBody[client.CreateTokenRequest](t, r); got != (client.CreateTokenRequest{Unit: 4, TTLSeconds: 600}) {
			t.Errorf("%+v", got)
		}
		return client.CreatedToken{Token: token, Secret: "once"}
	})
	f.answer("GET /cluster/tokens", func(*http.Request) any { return client.Tokens{Tokens: []client.Token{token}} })
	f.answer("DELETE /cluster/tokens/t1", func(*http.Request) any { return client.Done{} })
	golden(t, "cluster-token.txt", f.must("", "cluster", "token", "create", "--ttl", "10m", "--unit", "4")+
		f.must("", "cluster", "token", "list")+f.must("", "cluster", "token", "revoke", "t1"))
}

func TestADigestThatDiffersFails(t *testing.T) {
	f := newFakeNode(t)
	report := client.DigestReport{Index: 77, Agreed: true, Nodes: []client.NodeDigest{{Number: 1, Digest: "aa"}, {Number: 2, Digest: "aa"}, {Number: 3, Error: "does not answer"}}}
	f.answer("POST /cluster/digest", func(*http.Request) any { return report })
	out := f.must("", "cluster", "digest")
	report.Agreed, report.Majority, report.Nodes[2] = false, "aa", client.NodeDigest{Number: 3, Digest: "bb", Differ: true, Stopped: true}
	code, more, errs := f.run(t.Context(), "", "cluster", "digest")
	if code != command.ExitFailed {
		t.Errorf("exit code %d", code)
	}
	golden(t, "cluster-digest.txt", out+more+errs)
	report.Majority, report.Nodes[1] = "", client.NodeDigest{Number: 2, Error: "does not answer"}
	if code, _, errs := f.run(t.Context(), "", "cluster", "digest"); code != command.ExitFailed || !strings.Contains(errs, "no majority agrees") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestTheLogIsReadPageByPage(t *testing.T) {
	f := newFakeNode(t)
	const last = 1200
	f.answer("GET /cluster/log", func(r *http.Request) any {
		from, _ := strconv.ParseUint(r.URL.Query().Get("from"), 10, 64)
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		from = max(from, 1)
		log := client.Log{First: 1, Last: last}
		for index := from; index <= last && len(log.Entries) < limit; index++ {
			log.Entries = append(log.Entries, client.LogEntry{Index: index, Term: 1, Type: "command", Kind: "CreateKey"})
		}
		if next := from + uint64(len(log.Entries)); next <= last {
			log.Next = next
		}
		return log
	})
	for _, tc := range []struct {
		args  []string
		first uint64
		count int
	}{
		{nil, 1, 1200}, {[]string{"--from", "1100"}, 1100, 101}, {[]string{"--limit", "7"}, 1, 7}, {[]string{"--from", "100", "--limit", "700"}, 100, 700},
	} {
		args := append([]string{"cluster", "log", "dump"}, tc.args...)
		lines := strings.Split(strings.TrimSpace(f.must("", args...)), "\n")
		if !strings.HasPrefix(lines[0], fmt.Sprintf(`{"index":%d,`, tc.first)) || len(lines) != tc.count {
			t.Errorf("%v: %d lines from %s", tc.args, len(lines), lines[0])
		}
		var entries []client.LogEntry
		if err := json.Unmarshal([]byte(f.must("", append(args, "--output", "json")...)), &entries); err != nil || len(entries) != tc.count {
			t.Errorf("%v: %d entries, %v", tc.args, len(entries), err)
		}
	}
}

func TestLeavingAsksFirst(t *testing.T) {
	f := newFakeNode(t)
	removed := uint32(0)
	f.answer("POST /cluster/remove", func(r *http.Request) any {
		removed = decodeBody[client.RemoveRequest](t, r).Number
		return client.Done{}
	})
	if code, _, errs := f.run(t.Context(), "n\n", "cluster", "leave", "--number", "3"); code != command.ExitFailed || removed != 0 {
		t.Errorf("exit code %d, removed %d: %s", code, removed, errs)
	}
	f.must("y\n", "cluster", "leave", "--number", "3")
	if removed != 3 {
		t.Errorf("removed %d", removed)
	}
}

func TestAPIKeys(t *testing.T) {
	f := newFakeNode(t)
	key := client.APIKey{ID: "k1", Name: "backup", Role: client.RoleWriter, CreatedAt: noon, CreatedBy: "admin"}
	f.answer("POST /apikeys", func(r *http.Request) any {
		if got := decodeBody[client.CreateAPIKeyRequest](t, r); got != (client.CreateAPIKeyRequest{Name: "backup", Role: client.RoleWriter}) {
			t.Errorf("%+v", got)
		}
		return client.CreatedAPIKey{APIKey: key, Secret: "the-secret"}
	})
	f.answer("GET /apikeys", func(*http.Request) any { return client.APIKeys{APIKeys: []client.APIKey{key}} })
	f.answer("DELETE /apikeys/k1", func(*http.Request) any { return client.Done{} })
	file := filepath.Join(t.TempDir(), "secret")
	golden(t, "kms-apikey.txt", f.must("", "kms", "apikey", "create", "--name", "backup", "--role", "Writer")+
		strings.ReplaceAll(f.must("", "kms", "apikey", "create", "--name", "backup", "--role", "Writer", "--secret-out", file), file, "FILE")+
		f.must("", "kms", "apikey", "list")+f.must("", "kms", "apikey", "delete", "k1"))
	if data, err := os.ReadFile(file); err != nil || string(data) != "the-secret\n" {
		t.Errorf("%q %v", data, err)
	}
}

// Every command teaches: a usage line, and an example that the command itself would take.
func TestEveryCommandHasAnExampleThatParses(t *testing.T) {
	app := newApp(command.Streams{Env: func(string) string { return "" }})
	var walk func(path []string, commands []*urfave.Command)
	walk = func(path []string, commands []*urfave.Command) {
		for _, c := range commands {
			name := append(append([]string{}, path...), c.Name)
			if c.Usage == "" || strings.HasSuffix(c.Usage, ".") {
				t.Errorf("%s: usage %q", strings.Join(name, " "), c.Usage)
			}
			if len(c.Subcommands) > 0 {
				walk(name, c.Subcommands)
				continue
			}
			example := "tumbler " + strings.Join(name, " ")
			if !strings.Contains(c.Description, example) {
				t.Errorf("%s has no example", example)
				continue
			}
			output := false
			for _, f := range c.Flags {
				output = output || f.Names()[0] == command.FlagOutput
			}
			if !output {
				t.Errorf("%s takes no --output", example)
			}
			for _, l := range strings.Split(c.Description, "\n") {
				_, call, found := strings.Cut(l, example)
				if !found {
					continue
				}
				for _, word := range strings.Fields(call) {
					if strings.HasPrefix(word, "--") && !takes(c, strings.TrimPrefix(word, "--")) {
						t.Errorf("the example of %s has %s, which it does not take", example, word)
					}
				}
			}
		}
	}
	walk(nil, app.Commands)
}

func takes(c *urfave.Command, name string) bool {
	for _, f := range c.Flags {
		for _, n := range f.Names() {
			if n == name {
				return true
			}
		}
	}
	return false
}

func TestFlagsMayStandAnywhere(t *testing.T) {
	app := newApp(command.Streams{Env: func(string) string { return "" }})
	for in, want := range map[string]string{
		"kms key show orders --output json":           "kms key show --output json orders",
		"--output json kms key show orders":           "--output json kms key show orders",
		"kms key delete orders --yes --force":         "kms key delete --yes --force orders",
		"kms key show --output=json orders --ca x":    "kms key show --output=json --ca x orders",
		"kms key show -- --orders":                    "kms key show -- --orders",
		"kms key wrap show --in - --aad a":            "kms key wrap --in - --aad a show",
		"tke rotation receipt abcd --out x --frob on": "tke rotation receipt --out x --frob abcd on",
	} {
		if got := strings.Join(reorder(app.Commands, app.Flags, strings.Fields(in)), " "); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
}
