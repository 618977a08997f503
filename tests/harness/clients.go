package harness

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"

	kp "github.com/IBM/keyprotect-go-client"

	"tumbler/api/client"
)

// NewKey makes the line of a gossip or sealing key.
func NewKey() string {
	key := make([]byte, 32)
	rand.Read(key)
	return base64.StdEncoding.EncodeToString(key) + "\n"
}

// config is how an administrator reaches these nodes, or all that may answer.
func (c *Cluster) config(numbers ...uint32) client.Config {
	return client.Config{
		Addresses: c.addresses(numbers...), CAFile: c.path("pki/ca.pem"),
		CertFile: c.path("pki/client-admin.pem"), KeyFile: c.path("pki/client-admin.key"),
	}
}

// Admin gives an administrator's client of these nodes, or of all that may answer now.
func (c *Cluster) Admin(numbers ...uint32) *client.Client {
	c.t.Helper()
	admin, err := client.New(c.config(numbers...))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(admin.Close)
	return admin
}

// KMS gives our own client of the key interface of these nodes, or of the operational ones that may answer now.
func (c *Cluster) KMS(numbers ...uint32) *client.KMS {
	c.t.Helper()
	if len(numbers) == 0 {
		for _, number := range c.Operational() {
			if c.Node(number).answers() {
				numbers = append(numbers, number)
			}
		}
	}
	keys, err := client.NewKMS(client.KMSConfig{Config: c.config(numbers...), APIKey: c.APIKey, Instance: c.Instance})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(keys.Close)
	return keys
}

// Published gives the published client of one node. Until the test ends the default transport of this process believes
// the cluster's authority, since that client gets its tokens through it.
func (c *Cluster) Published(number uint32) *kp.Client {
	c.t.Helper()
	pem, err := os.ReadFile(c.path("pki/ca.pem"))
	if err != nil {
		c.t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS13}, MaxIdleConnsPerHost: 32}
	was := http.DefaultTransport
	http.DefaultTransport = transport
	c.t.Cleanup(func() { http.DefaultTransport = was; transport.CloseIdleConnections() })
	base := "https://" + c.Node(number).Address()
	published, err := kp.New(kp.ClientConfig{
		BaseURL: base, TokenURL: base + "/identity/token", APIKey: c.APIKey, InstanceID: c.Instance, Timeout: 30,
	}, transport)
	if err != nil {
		c.t.Fatal(err)
	}
	return published
}

// Environment tells the program where the cluster is, and where the workstation folder; it holds no password.
func (c *Cluster) Environment() []string {
	env := []string{
		"TUMBLER_CA=" + c.path("pki/ca.pem"), "TUMBLER_CERT=" + c.path("pki/client-admin.pem"), "TUMBLER_KEY=" + c.path("pki/client-admin.key"),
		"CLOUDTKEFILES=" + c.path("tke"), "TUMBLER_AGE_WORK_FACTOR=10", "TUMBLER_INSTANCE=" + c.Instance, "TUMBLER_API_KEY=" + c.APIKey,
	}
	if slices.ContainsFunc(c.Nodes, (*Node).answers) {
		env = append(env, "TUMBLER_ADDRESS="+strings.Join(c.addresses(), ","))
	}
	return env
}

// Binary is the program that the nodes run.
func (c *Cluster) Binary() string { return c.binary }

// Run runs the program as an administrator, and gives what it prints on both outputs.
func (c *Cluster) Run(args ...string) (string, error) {
	c.t.Helper()
	command := exec.CommandContext(c.t.Context(), c.binary, args...)
	command.Env = append(append(os.Environ(), c.Environment()...), "TUMBLER_SIGKEY_PASSWORD="+c.sigKeyPassword, "TUMBLER_KEYPART_PASSWORD="+c.keyPartPassword)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	return out.String(), err
}

// MustRun is Run; a failure of the program is one of the test.
func (c *Cluster) MustRun(args ...string) string {
	c.t.Helper()
	out, err := c.Run(args...)
	if err != nil {
		c.t.Fatalf("tumbler %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}
