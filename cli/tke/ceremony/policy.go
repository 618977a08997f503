package ceremony

import (
	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
	"tumbler/cryptounit/order"
)

// PolicyFlag says whether keys can be made during a rotation.
func PolicyFlag() urfave.Flag {
	return command.TextFlag("policy", "`POLICY` documented (the default: creating and importing keys is refused while they are rewrapped) or online (it is served)")
}

// RetireFlag says what becomes of the former master key.
func RetireFlag() urfave.Flag {
	return command.TextFlag("retire", "what recovery units do with the former master key: `HOW` keep (the default: it opens old backups) or destroy")
}

// PolicyAndRetirement reads --policy and --retire.
func (i *Ceremony) PolicyAndRetirement() (policy order.Policy, retire order.Retirement, err error) {
	switch text := i.Text("policy", ""); text {
	case "", order.Documented.String():
		policy = order.Documented
	case order.Online.String():
		policy = order.Online
	default:
		return 0, 0, i.Usage("--policy %s is not documented or online", text)
	}
	switch text := i.Text("retire", ""); text {
	case "", order.Keep.String():
		retire = order.Keep
	case order.Destroy.String():
		retire = order.Destroy
	default:
		return 0, 0, i.Usage("--retire %s is not keep or destroy", text)
	}
	return policy, retire, nil
}
