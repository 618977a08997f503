package harness

import "fmt"

// Passwords are those of everything on the cluster's workstation.
func Passwords(sigKeys, keyParts string) func(*Cluster) {
	return func(c *Cluster) { c.sigKeyPassword, c.keyPartPassword = sigKeys, keyParts }
}

// usualPasswords are those of a cluster that names none, and of clusters that were kept: never another.
var usualPasswords = Passwords("a test needs no secret 7", "a test needs no secret 8")

// Administrators are installed instead of Alice and Bob; two of them must sign.
func Administrators(names ...string) func(*Cluster) {
	return func(c *Cluster) { c.initialise = func() { c.autoInit(names...) } }
}

func (c *Cluster) autoInit(names ...string) {
	c.t.Helper()
	args := []string{"tke", "auto-init", "--signature-threshold", "2", "--revocation-threshold", "2", "--administrators", fmt.Sprint(len(names)), "--yes"}
	for _, name := range names {
		args = append(args, "--name", name)
	}
	c.MustRun(args...)
}

// MustInstall ends imprint mode: administrators with new signature keys, of whom two must sign, and no master key.
func (c *Cluster) MustInstall(names ...string) {
	c.t.Helper()
	for n, name := range names {
		c.MustRun("tke", "sigkey-add", "--name", name)
		c.MustRun("tke", "cryptounit-admin-add", "--administrator", fmt.Sprint(n+1))
	}
	c.MustRun("tke", "cryptounit-thrhld-set", "--signature-threshold", "2", "--revocation-threshold", "2", "--keynum", "1,2")
}
