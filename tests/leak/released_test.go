package leak

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestReleasedBuildsLeaveTestCodeOut asks the go command which files a released program is built of: none that plants,
// taps, holds or leaves sealing out. (`make leak-test` looks into the program itself.)
func TestReleasedBuildsLeaveTestCodeOut(t *testing.T) {
	files := func(tags string) string {
		list := exec.Command("go", "list", "-tags", tags, "-deps", "-f", `{{if not .Standard}}{{range .GoFiles}}{{$.ImportPath}}/{{.}}{{"\n"}}{{end}}{{end}}`, "./cli/tumbler")
		list.Dir, list.Env = "../..", append(os.Environ(), "CGO_ENABLED=1") // with smart cards, which has all files of the program without
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	released, test := files("hashicorpmetrics"), files("hashicorpmetrics,plantedkeys,unsealed,holdpoints")
	for _, name := range []string{
		"tumbler/cryptounit/random_planted.go", "tumbler/cryptounit/sealing_off.go", "tumbler/cli/workstation/sealing_off.go", "tumbler/cli/card/sealing_off.go",
		"tumbler/cluster/tap/tap_on.go",
		"tumbler/cluster/gossiptap_on.go", "tumbler/cluster/small_on.go", "tumbler/node/planted_on.go", "tumbler/node/level_on.go",
		"tumbler/holdpoint/point_on.go",
	} {
		if strings.Contains(released, name+"\n") {
			t.Errorf("a released program is built of %s", name)
		}
		if !strings.Contains(test, name+"\n") {
			t.Errorf("no test build is built of %s: is it called otherwise now?", name)
		}
	}
	for file := range strings.Lines(released) {
		if strings.HasPrefix(file, "tumbler/") && strings.HasSuffix(file, "_planted.go\n") {
			t.Errorf("a released program is built of %s", strings.TrimSpace(file))
		}
	}
}
