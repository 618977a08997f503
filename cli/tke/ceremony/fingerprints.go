package ceremony

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
	"tumbler/cli/workstation"
)

const flagFingerprints = "fingerprints"

// FingerprintsFlag names a file with the fingerprints of units that this workstation may meet for the first time.
func FingerprintsFlag() urfave.Flag {
	return command.TextFlag(flagFingerprints, "compare units that this workstation meets for the first time with this `FILE`: a line `NUM FINGERPRINT` each")
}

// FingerprintsAreRightFlag answers the question whether they are those of the crypto units.
func FingerprintsAreRightFlag() urfave.Flag {
	return command.YesFlag("the fingerprints of units that this workstation meets for the first time are right")
}

// CheckFingerprints makes sure of the identities of units, and remembers them: those that the folder remembers must be the
// same; the others are compared with the file of --fingerprints, or shown and asked about.
func (i *Ceremony) CheckFingerprints(folder *workstation.Folder, instance string, units map[uint32][]byte) error {
	known, err := folder.CheckIdentities(instance, units)
	if err != nil {
		return err
	}
	fresh := maps.Clone(units)
	maps.DeleteFunc(fresh, func(n uint32, _ []byte) bool { return known[n] })
	if len(fresh) == 0 {
		return nil
	}
	i.showFingerprints(fresh)
	if path := i.Text(flagFingerprints, ""); path != "" {
		if err := compareFingerprints(path, fresh); err != nil {
			return err
		}
	} else {
		yes, err := i.Confirm("Are these the fingerprints that the operators of the crypto units read from them?")
		if err != nil || !yes {
			return command.Declined(err)
		}
	}
	return folder.PinIdentities(instance, fresh)
}

func (i *Ceremony) showFingerprints(units map[uint32][]byte) {
	w := i.Streams.Out
	if i.JSON {
		w = i.Streams.Err
	}
	command.Line(w, "Crypto units that this workstation meets for the first time:")
	t := command.NewTable("CRYPTO UNIT NUM", "FINGERPRINT")
	for _, n := range slices.Sorted(maps.Keys(units)) {
		t.Row(n, hex.EncodeToString(units[n]))
	}
	t.Print(w)
}

// readFingerprints reads lines "NUM FINGERPRINT".
func readFingerprints(path string) (map[uint32][]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flagFingerprints, err)
	}
	listed := map[uint32][]byte{}
	scanner := bufio.NewScanner(bytes.NewReader(data))
	for number := 1; scanner.Scan(); number++ {
		fields := strings.Fields(scanner.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") || fields[0] == "CRYPTO" {
			continue
		}
		bad := fmt.Errorf("%s: line %d is not a CRYPTO UNIT NUM and a fingerprint of 64 hex digits", path, number)
		if len(fields) != 2 {
			return nil, bad
		}
		n, err := strconv.ParseUint(fields[0], 10, 32)
		if err != nil {
			return nil, bad
		}
		identity, err := hex.DecodeString(fields[1])
		if err != nil || len(identity) != 32 {
			return nil, bad
		}
		if other, twice := listed[uint32(n)]; twice && !bytes.Equal(other, identity) {
			return nil, fmt.Errorf("%s: line %d names another fingerprint of crypto unit %d than a line before it", path, number, n)
		}
		listed[uint32(n)] = identity
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return listed, nil
}

// compareFingerprints looks the units up in such a file; each must be named and the same.
func compareFingerprints(path string, units map[uint32][]byte) error {
	listed, err := readFingerprints(path)
	if err != nil {
		return err
	}
	for _, n := range slices.Sorted(maps.Keys(units)) {
		switch want, ok := listed[n]; {
		case !ok:
			return fmt.Errorf("%s does not name crypto unit %d: add the fingerprint that its operator reads from it", path, n)
		case !bytes.Equal(want, units[n]):
			return fmt.Errorf("crypto unit %d shows fingerprint %x, and %s says %x: nothing was changed; somebody may stand in its place, or the file is old",
				n, units[n], path, want)
		}
	}
	return nil
}
