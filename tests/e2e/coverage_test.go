package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// returnCodes are those of the crypto module, each with the transcript that shows it, or why it cannot happen.
var returnCodes = []struct{ code, shown, cannot string }{
	{code: "32/32", shown: "40-administrators"},  // administrator not found
	{code: "101/48", shown: "60-orders"},         // the committed pattern is not the register's
	{code: "163/0", shown: "60-orders"},          // transaction counter: an order's number
	{code: "163/0", shown: "80-registers"},       // transaction counter: a unit's generation
	{code: "179/0", shown: "10-imprint"},         // imprint mode
	{code: "192/0", shown: "60-orders"},          // invalid signature
	{code: "208/0", shown: "60-orders"},          // too few signatures
	{code: "209/57", shown: "40-administrators"}, // signature threshold above the number of administrators
	{code: "209/58", shown: "40-administrators"}, // revocation threshold above it
	{code: "209/66", shown: "40-administrators"}, // a removal would go below a threshold
	{code: "209/76", shown: "10-imprint"},        // signature threshold 0
	{code: "209/77", shown: "10-imprint"},        // revocation threshold 0
	{code: "256/0", shown: "40-administrators"},  // administrator exists
	{code: "257/0", shown: "40-administrators"},  // unauthorised signer
	{code: "261/0", shown: "10-imprint"},         // too many administrators
}

// commands are those of Trusted Key Entry, and what is new beside them.
var commands = strings.Fields(`cryptounits cryptounit-add cryptounit-rm cryptounit-compare cryptounit-admins cryptounit-admin-add cryptounit-admin-rm
	cryptounit-thrhlds cryptounit-thrhld-set cryptounit-mk cryptounit-mk-load cryptounit-mk-commit cryptounit-mk-rotate cryptounit-mk-setimm
	cryptounit-mk-clrcur cryptounit-mk-clrnew cryptounit-zeroize sigkeys sigkey-add sigkey-rm sigkey-sel mks mk-add mk-rm auto-init
	auto-mk-rotate auto-recover auto-mk-recover rotation_status rotation_watch rotation_activate rotation_cancel rotation_settle rotation_history
	rotation_receipt enrol unenrol order_sign order_submit retired_list retired_destroy`)

// readTranscripts gives their text by name.
func readTranscripts(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d transcripts: %v", len(files), err)
	}
	transcripts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		transcripts[strings.TrimSuffix(filepath.Base(file), ".txtar")] = string(text)
	}
	return transcripts
}

// Every return code of the crypto module and every command has a transcript that shows it.
func TestTranscriptsShowEveryCodeAndEveryCommand(t *testing.T) {
	refused, all := regexp.MustCompile(`(?m)^refused ([0-9]+/[0-9]+) `), ""
	for name, text := range readTranscripts(t) {
		all += text
		for _, found := range refused.FindAllStringSubmatch(text, -1) {
			if !slices.ContainsFunc(returnCodes, func(c struct{ code, shown, cannot string }) bool { return c.code == found[1] && c.shown != "" }) {
				t.Errorf("%s is refused with %s, which the reference does not know, or which cannot happen", name, found[1])
			}
		}
		for _, c := range returnCodes {
			if c.shown == name && !strings.Contains(text, "\nrefused "+c.code+" ") {
				t.Errorf("%s is to show %s, and does not", name, c.code)
			}
		}
	}
	for _, c := range returnCodes {
		if (c.shown == "") == (c.cannot == "") {
			t.Errorf("%s needs a transcript, or a reason why it cannot happen", c.code)
		}
	}
	for _, command := range commands {
		command = strings.ReplaceAll(command, "_", " ")
		if !regexp.MustCompile(`(?m)^(exec tumbler|failed|misused|refused \S+|for-each .* --) tke ` + command + `( |$)`).MatchString(all) {
			t.Errorf("no transcript shows `tumbler tke %s`", command)
		}
	}
}
