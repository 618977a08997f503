package cluster

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestErrorsAreNoNewsOnceANodeEnds(t *testing.T) {
	var out bytes.Buffer
	ending := false
	q := quiet{hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Trace}), func() bool { return ending }}
	say := func() string {
		out.Reset()
		q.Error("one")
		q.Named("raft").With("peer", 1).Error("two")
		q.Log(hclog.Error, "three")
		q.lines().Printf("[ERR] memberlist: four")
		q.Warn("five")
		return out.String()
	}
	if text := say(); strings.Count(text, "[ERROR]") != 4 || strings.Count(text, "[WARN]") != 1 {
		t.Errorf("before:\n%s", text)
	}
	ending = true
	if text := say(); strings.Count(text, "[ERROR]") != 0 || strings.Count(text, "[DEBUG]") != 4 || strings.Count(text, "[WARN]") != 1 {
		t.Errorf("after:\n%s", text)
	}
}
