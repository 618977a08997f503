package card

// pinState is what a card says of its PIN.
type pinState uint8

const (
	pinFine  pinState = iota
	pinWrong          // it was wrong the last time, and there are more tries
	pinLast           // one try is left
	pinLocked
)

// stateOf reads the flags of a token (PKCS #11, CK_TOKEN_INFO). Not every card keeps them.
func stateOf(flags uint) pinState {
	const countLow, finalTry, locked = 0x10000, 0x20000, 0x40000
	switch {
	case flags&locked != 0:
		return pinLocked
	case flags&finalTry != 0:
		return pinLast
	case flags&countLow != 0:
		return pinWrong
	}
	return pinFine
}

// permit tells, before a PIN is asked for, whether a try may be used up.
func (a Asker) permit(token Token, state pinState) error {
	switch state {
	case pinLocked:
		return refuse(ErrLocked, "%v: nothing was tried; unlock it with the card's own tools", token)
	case pinLast:
		if !a.LastTry {
			return refuse(ErrLastTry, "%v: nothing was tried; set TUMBLER_LAST_PIN_TRY=yes and run the command again if you are sure of the PIN", token)
		}
		a.Warn("This is the last try for the PIN of " + token.String() + ": a wrong one locks it.")
	case pinWrong:
		a.Warn("The last PIN for " + token.String() + " was wrong. It locks after a few in a row.")
	case pinFine:
	}
	return nil
}

// wrong is the refusal of a PIN, with what the card says of its tries afterwards.
func wrong(token Token, state pinState) error {
	switch state {
	case pinLocked:
		return refuse(ErrLocked, "%v: the PIN was wrong, and that was the last try; unlock it with the card's own tools", token)
	case pinLast:
		return refuse(ErrWrongPIN, "%v: one try is left before it is locked", token)
	case pinFine, pinWrong:
	}
	return refuse(ErrWrongPIN, "%v: it was not tried again", token)
}
