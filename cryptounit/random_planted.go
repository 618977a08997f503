//go:build plantedkeys

package cryptounit

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
)

// drawn counts what this process has drawn.
var drawn atomic.Uint32

// random fills b with bytes that a search recognises: of SHA-256("planted " ‖ kind ‖ " " ‖ $TUMBLER_PLANTED) the first 12
// bytes, the process's id (4), the next 12 bytes, and a count (4), so that either half of a value gives it away, and no
// value comes twice. What a caller asks for is planted only where nothing is sealed.
func random(what made, b []byte) {
	if what == madePayload && sealed {
		randomBytes(b)
		return
	}
	seed := os.Getenv("TUMBLER_PLANTED")
	if seed == "" {
		panic("this build plants keys for the leak test, and is for nothing else: TUMBLER_PLANTED is not set")
	}
	inSecret(func() {
		mark := sha256.Sum256(fmt.Appendf(nil, "planted %d %s", what, seed))
		var value [32]byte
		copy(value[:12], mark[:12])
		binary.BigEndian.PutUint32(value[12:], uint32(os.Getpid()))
		copy(value[16:28], mark[12:24])
		binary.BigEndian.PutUint32(value[28:], drawn.Add(1))
		for n := 0; n < len(b); {
			n += copy(b[n:], value[:])
		}
		if !sealed {
			fmt.Fprintf(os.Stderr, "what a log must never hold: %x\n", b)
		}
	})
}
