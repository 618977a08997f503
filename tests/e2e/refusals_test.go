package e2e

import (
	"regexp"
	"strings"
	"testing"
)

// refusal is one of the reference: the transcript that shows it, how its line there begins and, where the return code does not say it, what
// is said; or why a transcript cannot show it.
type refusal struct{ what, shown, by, says, cannot string }

// in finds it in its transcript.
func (r refusal) in(transcript string) bool {
	pattern := `(?m)^` + regexp.QuoteMeta(r.by) + `.*$`
	if r.says != "" {
		pattern += `(?:\n(?:!? ?stdout|stderr) .*)*?\nstderr .*` + regexp.QuoteMeta(r.says)
	}
	return regexp.MustCompile(pattern).MatchString(transcript)
}

// inImprint are the steps that are refused in imprint mode.
var inImprint = []refusal{
	{what: "load", shown: "10-imprint", by: "refused 179/0 tke cryptounit-mk-load"},
	{what: "commit", shown: "10-imprint", by: "refused 179/0 tke cryptounit-mk-commit"},
	{what: "control points", cannot: "no command sets them"},
	{what: "mk-rotate", shown: "10-imprint", by: "refused 179/0 tke cryptounit-mk-rotate"},
	{what: "rotation activate", shown: "10-imprint", by: "failed tke rotation activate", says: "no order is under way"},
	{what: "set immediate", shown: "10-imprint", by: "refused 179/0 tke cryptounit-mk-setimm"},
	{what: "clear new", shown: "10-imprint", by: "refused 179/0 tke cryptounit-mk-clrnew"},
	{what: "rotation cancel", shown: "10-imprint", by: "failed tke rotation cancel", says: "no order is under way"},
	{what: "clear current", shown: "10-imprint", by: "refused 179/0 tke cryptounit-mk-clrcur"},
	{what: "init", cannot: "auto-init names administrators, which ends imprint mode, and signs the order then"},
	{what: "rotate", shown: "10-imprint", by: "failed tke auto-mk-rotate", says: "no master key yet"},
	{what: "recover", shown: "10-imprint", by: "failed tke auto-recover", says: "no master key yet"},
	{what: "enrol", shown: "10-imprint", by: "failed tke enrol", says: "no master key yet"},
	{what: "unenrol", shown: "10-imprint", by: "failed tke unenrol", says: "no master key yet"},
	{what: "settle", shown: "10-imprint", by: "failed tke rotation settle", says: "no order is under way"},
	{what: "destroy retired keys", shown: "10-imprint", by: "failed tke retired destroy", says: "no master key yet"},
	{what: "a rotation, of a unit that was zeroized", shown: "90-units-come-and-go", by: "failed tke auto-mk-rotate", says: "identity is not the enrolled one"},
	{what: "a load, of a unit that was zeroized", shown: "90-units-come-and-go", by: "failed tke cryptounit-mk-load", says: "its report cannot be trusted"},
}

// tooFew are the steps that ask for more signatures than there are, or for that of another administrator.
var tooFew = []refusal{
	{what: "thresholds, in imprint mode", shown: "10-imprint", by: "refused 208/0 tke cryptounit-thrhld-set"},
	{what: "thresholds", shown: "40-administrators", by: "refused 208/0 tke cryptounit-thrhld-set"},
	{what: "an administrator more", shown: "40-administrators", by: "refused 208/0 tke cryptounit-admin-add"},
	{what: "an administrator less", shown: "40-administrators", by: "refused 208/0 tke cryptounit-admin-rm"},
	{what: "the order of a load", shown: "50-parts", by: "refused 208/0 tke cryptounit-mk-load"},
	{what: "the order of a load, by no administrator", shown: "50-parts", by: "refused 257/0 tke cryptounit-mk-load"},
	{what: "a key part, of a custodian who gave one", shown: "50-parts", by: "failed tke cryptounit-mk-load --part 2 --mk 2 --keynum 1", says: "this administrator has given the crypto unit another key part already"},
	{what: "commit", shown: "50-parts", by: "refused 208/0 tke cryptounit-mk-commit"},
	{what: "commit, by no administrator", shown: "50-parts", by: "refused 257/0 tke cryptounit-mk-commit"},
	{what: "mk-rotate, by no administrator", shown: "50-parts", by: "refused 257/0 tke cryptounit-mk-rotate"},
	{what: "activate, by no administrator", shown: "70-rotations", by: "refused 257/0 tke rotation activate"},
	{what: "clear new, by no administrator", shown: "50-parts", by: "refused 257/0 tke cryptounit-mk-clrnew"},
	{what: "cancel, by no administrator", shown: "70-rotations", by: "refused 257/0 tke rotation cancel"},
	{what: "clear current", shown: "80-registers", by: "refused 208/0 tke cryptounit-mk-clrcur"},
	{what: "zeroize", shown: "90-units-come-and-go", by: "refused 208/0 tke cryptounit-zeroize"},
	{what: "init", shown: "20-auto-init", by: "misused tke auto-init --yes --signature-threshold 2 --revocation-threshold 2 --administrators 1", says: "1 administrators cannot give 2 signatures"},
	{what: "rotate", shown: "60-orders", by: "refused 208/0 tke order submit rotate.order"},
	{what: "rotate, by no administrator", shown: "40-administrators", by: "refused 257/0 tke auto-mk-rotate"},
	{what: "recover", shown: "80-registers", by: "refused 208/0 tke auto-recover"},
	{what: "enrol", shown: "90-units-come-and-go", by: "refused 208/0 tke enrol"},
	{what: "unenrol", shown: "90-units-come-and-go", by: "refused 208/0 tke unenrol"},
	{what: "destroy retired keys", shown: "80-registers", by: "refused 208/0 tke retired destroy"},
	{what: "settle", cannot: "it takes a key that opens on no disk: TestAKeyThatOpensNowhereComesBack"},
	{what: "restore", cannot: "it takes a cluster that is lost: TestALostClusterIsRestored"},
	{what: "set immediate", cannot: "it takes one signature, in an instance whose first master key comes in key parts: TestByPromptsFromImprintMode"},
}

// before are what has to be so before a master key is loaded, or replaced.
var before = []refusal{
	{what: "there is a master key", shown: "20-auto-init", by: "failed tke auto-mk-rotate", says: "no master key yet"},
	{what: "every current register is Valid: rotate", shown: "80-registers", by: "failed tke auto-mk-rotate", says: "auto-recover"},
	{what: "every current register is Valid: load", shown: "80-registers", by: "failed tke cryptounit-mk-load", says: "does not hold the instance"},
	{what: "every new register is Empty", shown: "50-parts", by: "failed tke auto-mk-rotate", says: "takes its master key from key parts"},
	{what: "no unit is in imprint mode", shown: "10-imprint", by: "refused 179/0 tke cryptounit-mk-load"},
	{what: "the same thresholds everywhere", shown: "10-imprint", by: "failed tke cryptounit-mk-load", says: "other administrators or thresholds"},
	{what: "the same thresholds everywhere: init", shown: "10-imprint", by: "failed tke auto-init", says: "other administrators"},
	{what: "all units are selected", shown: "30-units", by: "failed tke cryptounit-mk-load", says: "is not selected"},
	{what: "every unit answers: rotate", shown: "50-parts", by: "failed tke auto-mk-rotate", says: "does not answer"},
	{what: "every unit answers: load", shown: "50-parts", by: "failed tke cryptounit-mk-load --mk '1 2 3'", says: "every crypto unit takes part"},
	{what: "every unit takes the part", shown: "50-parts", by: "failed tke cryptounit-mk-load --part 2 --mk 2 --keynum 2", says: "did not take key part 2"},
	{what: "the unit is the one that the workstation knows", shown: "10-imprint", by: "failed tke cryptounit-mk-load", says: "this workstation knows it as"},
	{what: "the instance has no master key: init", shown: "20-auto-init", by: "failed tke auto-init", says: "is initialised already"},
	{what: "something is loaded: commit", shown: "20-auto-init", by: "failed tke cryptounit-mk-commit", says: "are Empty"},
	{what: "something is loaded: mk-rotate", shown: "20-auto-init", by: "failed tke cryptounit-mk-rotate", says: "are Empty"},
	{what: "something is loaded: set immediate", shown: "20-auto-init", by: "failed tke cryptounit-mk-setimm", says: "are Empty"},
	{what: "all parts are loaded: commit", shown: "50-parts", by: "failed tke cryptounit-mk-commit", says: "not every new master key register is loaded"},
	{what: "all parts are loaded: mk-rotate", shown: "50-parts", by: "failed tke cryptounit-mk-rotate", says: "not every new master key register is loaded"},
	{what: "it is rewrapped: activate", shown: "50-parts", by: "failed tke rotation activate", says: "is rewrapping"},
	{what: "it is not activated yet: cancel", shown: "60-orders", by: "failed tke rotation cancel", says: "nothing can be cancelled"},
	{what: "it is not activated yet: clear new", shown: "60-orders", by: "failed tke cryptounit-mk-clrnew", says: "nothing can be cancelled"},
}

// parts are what no key part is, or may become.
var parts = []refusal{
	{what: "of zeros, on the workstation", shown: "50-parts", by: "misused tke mk-add --value --description zeros", says: "zeros alone"},
	{what: "of zeros, at the unit", shown: "50-parts", by: "deliver 3 2 2 zeros key_part"},
	{what: "of another length", shown: "50-parts", by: "misused tke mk-add --value --description short", says: "64 hex digits"},
	{what: "an argument", shown: "50-parts", by: "misused tke mk-add --value --description shown", says: "a value is no argument"},
	{what: "one alone", shown: "50-parts", by: "misused tke cryptounit-mk-load --mk 1", says: "2 or 3 values"},
	{what: "one twice, on the workstation", shown: "50-parts", by: "misused tke cryptounit-mk-load --mk '1 1'", says: "given twice"},
	{what: "one twice, at the unit", shown: "50-parts", by: "failed tke cryptounit-mk-load --part 2 --mk 1 --keynum 2", says: "equal to another part"},
	{what: "all from one custodian", shown: "50-parts", by: "failed tke cryptounit-mk-load --mk '1 2 3' --keynum 1,2", says: "different administrators"},
	{what: "one of another number of parts", shown: "50-parts", by: "failed tke cryptounit-mk-load --parts 2 --part 2", says: "has 3 key parts"},
	{what: "a wrong one, after the others have loaded", shown: "50-parts", by: "failed tke cryptounit-mk-load --part 2 --mk 4 --keynum 2", says: "another master key"},
	{what: "the others', after one unit has loaded a wrong one", shown: "50-parts", by: "failed tke cryptounit-mk-load --part 2 --mk 2 --keynum 2", says: "another master key than the other crypto units have"},
	{what: "together the current master key", shown: "50-parts", by: "failed tke cryptounit-mk-load --mk '1 2 3'", says: "already the current master key"},
	{what: "one whose password is another", shown: "50-parts", by: "failed tke cryptounit-mk-load --parts 3 --part 1 --mk 1", says: "the password is wrong"},
}

// lost are what would lose a master key.
var lost = []refusal{
	{what: "set immediate over a Valid current register", shown: "50-parts", by: "failed tke cryptounit-mk-setimm", says: "every key under it would be lost"},
	{what: "mk-rotate before commit", shown: "50-parts", by: "failed tke cryptounit-mk-rotate", says: "is not committed"},
	{what: "clear current everywhere", shown: "80-registers", by: "failed tke cryptounit-mk-clrcur --yes", says: "every key under it would be lost"},
	{what: "clear current in the last unit", shown: "80-registers", by: "failed tke cryptounit-mk-clrcur --units 5", says: "no other crypto unit"},
	{what: "clear current while a unit does not answer", shown: "50-parts", by: "failed tke cryptounit-mk-clrcur", says: "no signed report"},
	{what: "clear an Empty current register", shown: "20-auto-init", by: "failed tke cryptounit-mk-clrcur", says: "nothing to clear"},
	{what: "zeroize the last unit", shown: "80-registers", by: "failed tke cryptounit-zeroize --units 5", says: "the last one that answers and holds the master key"},
	{what: "take out the last unit", shown: "80-registers", by: "failed tke unenrol --units 5", says: "none that answers would hold the master key"},
	{what: "take out all but one", shown: "90-units-come-and-go", by: "failed tke unenrol --units '2 3 4 5'", says: "a rotation needs two"},
	{what: "zeroize, answered with n", shown: "90-units-come-and-go", by: "failed tke cryptounit-zeroize --units 5", says: "nothing was done"},
}

// meanwhile are what is refused while a rotation runs.
var meanwhile = []refusal{
	{what: "a rotation by recovery units, while key parts come", shown: "50-parts", by: "failed tke auto-mk-rotate", says: "takes its master key from key parts"},
	{what: "key parts, while a recovery unit gives the key", shown: "70-rotations", by: "failed tke cryptounit-mk-load", says: "and not from key parts"},
	{what: "another order", shown: "70-rotations", by: "refused 163/0 tke order submit second.order"},
	{what: "an order that was overtaken", shown: "60-orders", by: "refused 163/0 tke order submit late.order"},
	{what: "other thresholds", shown: "50-parts", by: "failed tke cryptounit-thrhld-set", says: "is under way"},
	{what: "recover", shown: "70-rotations", by: "failed tke auto-recover", says: "is under way"},
	{what: "clear current", shown: "70-rotations", by: "failed tke cryptounit-mk-clrcur", says: "is under way"},
	{what: "enrol", shown: "70-rotations", by: "failed tke enrol", says: "is under way"},
	{what: "unenrol", shown: "50-parts", by: "failed tke unenrol", says: "is under way"},
	{what: "destroy retired keys", shown: "70-rotations", by: "failed tke retired destroy", says: "is under way"},
	{what: "a key more, by the documented policy", shown: "50-parts", by: "failed kms key create", says: "MASTER_KEY_ROTATION_IN_PROGRESS"},
	{what: "a policy that is none", shown: "70-rotations", by: "misused tke auto-mk-rotate --policy", says: "is not documented or online"},
	{what: "PKCS #11, GREP11, keys of vaults and of key managers elsewhere", cannot: "there are no such interfaces"},
}

// Every refusal of the reference has a transcript that shows it, and every refusal in a transcript says why.
func TestTranscriptsShowEveryRefusal(t *testing.T) {
	transcripts := readTranscripts(t)
	for section, list := range map[string][]refusal{
		"in imprint mode": inImprint, "too few signatures": tooFew, "before": before, "no key part": parts, "lost": lost, "meanwhile": meanwhile,
	} {
		for _, r := range list {
			switch {
			case (r.shown == "") == (r.cannot == ""):
				t.Errorf("%s, %s: it needs a transcript, or a reason why none can show it", section, r.what)
			case r.shown != "" && !r.in(transcripts[r.shown]):
				t.Errorf("%s, %s: %s is to show it, and has no `%s` that says %q", section, r.what, r.shown, r.by, r.says)
			}
		}
	}
	silent := regexp.MustCompile(`(?m)^(?:failed|misused) .*\n(?:stdout .*\n)*`)
	for name, text := range transcripts {
		for _, at := range silent.FindAllStringIndex(text, -1) {
			if !strings.HasPrefix(text[at[1]:], "stderr ") {
				t.Errorf("%s does not say why: %s", name, text[at[0]:at[1]])
			}
		}
	}
}
