package registers

import (
	"fmt"
	"strings"

	"tumbler/cli/command"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// keyPart is a part of a master key that its custodian has opened, in a file or on a card.
type keyPart interface {
	// Label says which one it is, as prompts do.
	Label() string
	// VerificationPattern names the part without revealing it; zero where the card cannot tell, and only crypto units can.
	VerificationPattern() masterkey.Pattern
	// Seal seals the part to the importer key of a unit (order.Statement.Importer of its `ready`), for one order.EnvelopeContext,
	// whose Info info is. It refuses a suite that it does not know.
	Seal(suite order.Suite, importer, info []byte) ([]byte, error)
	// Suites are those that it knows.
	Suites() []order.Suite
	// Erase ends its use.
	Erase()
}

// partsWanted are the parts that a command was called with, not opened yet.
type partsWanted struct {
	keyNums []int
	numbers []uint32 // of each: which part of the order it is
	count   uint32   // how many the order has; 0: it is not said
}

const (
	promptParts = "Enter the KEYNUM values of the master key parts you wish to load."
	promptCount = "2 or 3 values must be specified, separated by spaces."
)

// partsWanted reads the flags, or asks.
func (i *invocation) partsWanted() (partsWanted, error) {
	var p partsWanted
	count, given, err := i.Number("parts", 2, 3)
	if err != nil {
		return p, err
	}
	p.count = uint32(count)
	lone := i.Given("part") != nil
	prompt := promptParts + "\n" + promptCount
	if lone {
		prompt = promptParts
	}
	answer, err := i.Ask("mk", "", prompt)
	if err != nil {
		return p, err
	}
	if p.keyNums, err = i.KeyNumList(answer); err != nil {
		return p, err
	}
	if !lone {
		for n := range p.keyNums {
			p.numbers = append(p.numbers, uint32(n)+1)
		}
		if len(p.keyNums) < 2 || len(p.keyNums) > 3 {
			return p, i.Usage("2 or 3 values must be specified, and %d was given: a part whose others come from elsewhere is said with --part", len(p.keyNums))
		}
		if given && int(p.count) != len(p.keyNums) {
			return p, i.Usage("--parts %d, and %d key parts were given: say with --part which these are", p.count, len(p.keyNums))
		}
		p.count = uint32(len(p.keyNums))
		return p, nil
	}
	numbers, err := i.KeyNumList(i.Text("part", ""))
	if err != nil {
		return p, i.Usage("--part %s is not part numbers from 1 to 3", i.Text("part", ""))
	}
	most := 3
	if given {
		most = int(p.count)
	}
	for _, n := range numbers {
		if n > most {
			return p, i.Usage("--part %d is not a part number from 1 to %d", n, most)
		}
		p.numbers = append(p.numbers, uint32(n))
	}
	if len(p.numbers) != len(p.keyNums) {
		return p, i.Usage("--part names %d key parts, and --mk %d", len(p.numbers), len(p.keyNums))
	}
	return p, nil
}

// fits refuses parts that an order with so many does not have.
func (p partsWanted) fits(i *invocation, count uint32) error {
	if p.count != 0 && p.count != count {
		return fmt.Errorf("the order under way has %d key parts, and %d were named: say with --part which of them these are", count, p.count)
	}
	for _, n := range p.numbers {
		if n > count {
			return i.Usage("the order under way has %d key parts, and --part names %d", count, n)
		}
	}
	return nil
}

// filePart is a part in a file.
type filePart struct {
	*workstation.KeyPart
}

func (p filePart) Label() string { return p.Description }

// Suites are all: this workstation seals what is in a file.
func (p filePart) Suites() []order.Suite { return suitesBest() }

// differ refuses parts that show one pattern: equal parts cancel out.
func (p partsWanted) differ(folder *workstation.Folder) error {
	seen := map[string]int{}
	for _, n := range p.keyNums {
		info, err := folder.KeyPart(n)
		if err != nil {
			return err
		}
		if other, twice := seen[info.Pattern]; twice && info.Pattern != "" { // a card may not show it: then a unit refuses
			return fmt.Errorf("KEYNUM %d and %d are the same key part: equal parts cancel out", other, n)
		}
		seen[info.Pattern] = n
	}
	return nil
}

// openParts opens the parts, each with its password. Whoever calls it erases them.
func (i *invocation) openParts(folder *workstation.Folder, wanted partsWanted) (parts []keyPart, err error) {
	for place, keyNum := range wanted.keyNums {
		part, err := i.openPart(folder, keyNum, place)
		if err != nil {
			eraseParts(parts)
			return nil, err
		}
		parts = append(parts, part)
	}
	return parts, nil
}

func (i *invocation) openPart(folder *workstation.Folder, keyNum, place int) (keyPart, error) {
	info, err := folder.KeyPart(keyNum)
	if err != nil {
		return nil, err
	}
	if info.Card != "" {
		return i.openCardPart(folder, info)
	}
	password, err := i.PasswordOf(keyPartPasswords(flagPartPasswords), keyNum, place, fmt.Sprintf("Enter the password for key file %d", place+1))
	if err != nil {
		return nil, err
	}
	part, err := folder.OpenKeyPart(keyNum, password)
	return filePart{part}, err
}

func eraseParts(parts []keyPart) {
	for _, p := range parts {
		p.Erase()
	}
}

// partNumbers lists them as sentences do: 1, 1 and 2, 1, 2 and 3.
func partNumbers(list []uint32) string {
	text := command.Numbers(list)
	if at := strings.LastIndex(text, ", "); at >= 0 {
		return text[:at] + " and " + text[at+2:]
	}
	return text
}
