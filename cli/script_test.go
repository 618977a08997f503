package cli

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tumbler/cli/command"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tumbler": func() { os.Exit(Main(os.Args, command.Process())) },
		// as tumbler, with 0 for exit code 1 and 2 only: `! exec` takes any code but 0
		"fails": func() { exitZeroFor(command.ExitFailed) },
		"wrong": func() { exitZeroFor(command.ExitUsage) },
	})
}

func exitZeroFor(code int) {
	if got := Main(append([]string{"tumbler"}, os.Args[1:]...), command.Process()); got != code {
		_, _ = os.Stderr.WriteString("an unexpected exit code\n")
		os.Exit(10 + got)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("CLOUDTKEFILES", env.WorkDir+"/tke")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else every command sleeps for a second
			env.Setenv("TUMBLER_AGE_WORK_FACTOR", "10")
			return nil
		},
	})
}
