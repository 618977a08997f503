// Package cli is the command line: what `tumbler` does, a folder a noun.
//
// It promises the words of Trusted Key Entry: prompts, messages and tables are those that scripts for `ibmcloud tke` wait
// for. Every prompt has a flag, a file or an environment variable; a password has a file or a variable, and never a flag.
// Every command takes --output json. The exit code is 0 when it is done, 1 when it failed (the first line is FAILED) and 2
// when it was called wrongly. Orders are made and signed here, on the workstation: a node never sees a signature key, and
// everything that is signed names units by identities that this workstation has checked.
package cli
