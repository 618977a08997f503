package cli

import (
	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/workstation"
)

// Names of flags that many commands have, and of the environment variables that stand for them.
const (
	flagOutput = "output"
	envOutput  = "TUMBLER_OUTPUT"
	outputJSON = "json"
	outputText = "text"

	flagAddress = "address"
	envAddress  = "TUMBLER_ADDRESS"
	flagCA      = "ca"
	envCA       = "TUMBLER_CA"
	flagCert    = "cert"
	envCert     = "TUMBLER_CERT"
	flagKey     = "key"
	envKey      = "TUMBLER_KEY"

	flagFiles      = "files"
	flagWorkFactor = "work-factor"
	envWorkFactor  = "TUMBLER_AGE_WORK_FACTOR"

	flagAPIKeyFile = "api-key-file"
	envAPIKey      = "TUMBLER_API_KEY"
	flagInstance   = "instance"
	envInstance    = "TUMBLER_INSTANCE"

	flagYes = "yes"
)

func outputFlags() []urfave.Flag {
	return []urfave.Flag{text(flagOutput, "print in `FORMAT` json or text (the default) [$"+envOutput+"]")}
}

func connectionFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringSliceFlag{Name: flagAddress, Usage: "API `ADDRESS` of a node, host:port; repeat it for others to try [$" + envAddress + ", separated by commas]"},
		text(flagCA, "PEM `FILE` of the CA that signed the nodes' certificates [$"+envCA+"]"),
		text(flagCert, "PEM `FILE` of this administrator's certificate [$"+envCert+"]"),
		text(flagKey, "PEM `FILE` of its private key [$"+envKey+"]"),
	}
}

func folderFlags() []urfave.Flag {
	return []urfave.Flag{
		text(flagFiles, "workstation `FOLDER` with signature keys [$"+workstation.Env+"]"),
		text(flagWorkFactor, "`LOGN` of the cost to open a new file: 10 to 22, 18 is the default [$"+envWorkFactor+"]"),
	}
}

// kmsFlags are those of commands that use the key interface with an API key.
func kmsFlags() []urfave.Flag {
	return join(outputFlags(), connectionFlags(), []urfave.Flag{
		text(flagAPIKeyFile, "`FILE` with an API key's secret [$"+envAPIKey+" holds the secret itself]"),
		text(flagInstance, "instance `UUID`; asked of the cluster if there is a client certificate [$"+envInstance+"]"),
	})
}

// adminFlags are those of commands that use the administration interface.
func adminFlags(more ...urfave.Flag) []urfave.Flag {
	return join(more, outputFlags(), connectionFlags())
}

// signFlags are those of commands that sign with an administrator's key.
func signFlags(more ...urfave.Flag) []urfave.Flag {
	return join(more, keyFlags(), outputFlags(), connectionFlags(), folderFlags())
}

// orderFlags are those of commands whose signatures may be made on other workstations.
func orderFlags(more ...urfave.Flag) []urfave.Flag { return signFlags(join(more, orderFileFlags())...) }

// keyFlags choose signature keys.
func keyFlags() []urfave.Flag {
	return []urfave.Flag{
		text("keynum", "`KEYNUM`s of the signature keys that sign, separated by commas; else the current ones (sigkey-sel)"),
		text("password-file", "`FILE` with the passwords of the signature keys, a line each, in the order of their KEYNUMs [$TUMBLER_SIGKEY_PASSWORD, $TUMBLER_SIGKEY_PASSWORD_<KEYNUM>]"),
	}
}

// text makes a flag with a value; backquotes in the usage name it.
func text(name, usage string) *urfave.StringFlag { return &urfave.StringFlag{Name: name, Usage: usage} }

func yesFlag(what string) urfave.Flag {
	return &urfave.BoolFlag{Name: flagYes, Usage: "do not ask: " + what}
}
