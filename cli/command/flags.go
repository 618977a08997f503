package command

import (
	"slices"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/workstation"
)

// Names of flags that many commands have, and of the environment variables that stand for them.
const (
	FlagOutput = "output"
	EnvOutput  = "TUMBLER_OUTPUT"
	OutputJSON = "json"
	outputText = "text"

	flagAddress = "address"
	EnvAddress  = "TUMBLER_ADDRESS"
	flagCA      = "ca"
	EnvCA       = "TUMBLER_CA"
	flagCert    = "cert"
	EnvCert     = "TUMBLER_CERT"
	flagKey     = "key"
	EnvKey      = "TUMBLER_KEY"

	flagFiles      = "files"
	flagWorkFactor = "work-factor"
	EnvWorkFactor  = "TUMBLER_AGE_WORK_FACTOR"

	flagAPIKeyFile = "api-key-file"
	EnvAPIKey      = "TUMBLER_API_KEY"
	flagInstance   = "instance"
	EnvInstance    = "TUMBLER_INSTANCE"

	flagYes = "yes"
)

// OutputFlags are those of every command.
func OutputFlags() []urfave.Flag {
	return []urfave.Flag{TextFlag(FlagOutput, "print in `FORMAT` json or text (the default) [$"+EnvOutput+"]")}
}

// ConnectionFlags are those of commands that talk to a node.
func ConnectionFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringSliceFlag{Name: flagAddress, Usage: "API `ADDRESS` of a node, host:port; repeat it for others to try [$" + EnvAddress + ", separated by commas]"},
		TextFlag(flagCA, "PEM `FILE` of the CA that signed the nodes' certificates [$"+EnvCA+"]"),
		TextFlag(flagCert, "PEM `FILE` of this administrator's certificate [$"+EnvCert+"]"),
		TextFlag(flagKey, "PEM `FILE` of its private key [$"+EnvKey+"]"),
	}
}

// FolderFlags are those of commands that use the workstation folder.
func FolderFlags() []urfave.Flag {
	return []urfave.Flag{
		TextFlag(flagFiles, "workstation `FOLDER` with signature keys [$"+workstation.Env+"]"),
		TextFlag(flagWorkFactor, "`LOGN` of the cost to open a new file: 10 to 22, 18 is the default [$"+EnvWorkFactor+"]"),
	}
}

// KmsFlags are those of commands that use the key interface with an API key.
func KmsFlags() []urfave.Flag {
	return slices.Concat(OutputFlags(), ConnectionFlags(), []urfave.Flag{
		TextFlag(flagAPIKeyFile, "`FILE` with an API key's secret [$"+EnvAPIKey+" holds the secret itself]"),
		TextFlag(flagInstance, "instance `UUID`; asked of the cluster if there is a client certificate [$"+EnvInstance+"]"),
	})
}

// AdminFlags are those of commands that use the administration interface.
func AdminFlags(more ...urfave.Flag) []urfave.Flag {
	return slices.Concat(more, OutputFlags(), ConnectionFlags())
}

// TextFlag makes a flag with a value; backquotes in the usage name it.
func TextFlag(name, usage string) *urfave.StringFlag {
	return &urfave.StringFlag{Name: name, Usage: usage}
}

// YesFlag answers the question that a command asks; what says to what.
func YesFlag(what string) urfave.Flag {
	return &urfave.BoolFlag{Name: flagYes, Usage: "do not ask: " + what}
}

// UnitNumbers reads CRYPTO UNIT NUMs from a flag; it was not given: none.
func (i *Invocation) UnitNumbers(flag string) ([]uint32, error) {
	var all []uint32
	for _, word := range strings.FieldsFunc(i.Text(flag, ""), func(r rune) bool { return r == ' ' || r == ',' }) {
		n, err := strconv.ParseUint(word, 10, 32)
		if err != nil || n == 0 {
			return nil, i.Usage("--%s %s is not a CRYPTO UNIT NUM", flag, strconv.Quote(word))
		}
		if !slices.Contains(all, uint32(n)) {
			all = append(all, uint32(n))
		}
	}
	slices.Sort(all)
	return all, nil
}
