//go:build !plantedkeys

package tap

import (
	"crypto/tls"
	"net"
)

// Listener gives the listener, whose connections are copied in test builds, in files that begin with that name.
func Listener(_ string, l net.Listener) net.Listener { return l }

// Keys gives the configuration, whose connections' keys are written down in test builds.
func Keys(c *tls.Config) *tls.Config { return c }
