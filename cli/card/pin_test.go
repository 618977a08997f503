package card

import (
	"errors"
	"testing"
)

// TestTheLastTryIsLeftAlone: flags are as PKCS #11 numbers them. SoftHSM2 knows the first alone and locks no token.
func TestTheLastTryIsLeftAlone(t *testing.T) {
	const low, final, locked = 0x10000, 0x20000, 0x40000
	for flags, want := range map[uint]struct {
		refused, asked error // without and with LastTry
		warned         bool  // with it
	}{
		0x42d:                {},
		low:                  {warned: true},
		low | final:          {refused: ErrLastTry, warned: true},
		final:                {refused: ErrLastTry, warned: true},
		locked:               {refused: ErrLocked, asked: ErrLocked},
		low | final | locked: {refused: ErrLocked, asked: ErrLocked},
	} {
		warned := 0
		ask := Asker{Warn: func(string) { warned++ }}
		if err := ask.permit(Token{Label: "alice"}, stateOf(flags)); !errors.Is(err, want.refused) {
			t.Errorf("%x: %v, not %v", flags, err, want.refused)
		}
		ask.LastTry, warned = true, 0
		if err := ask.permit(Token{Label: "alice"}, stateOf(flags)); !errors.Is(err, want.asked) || warned > 0 != want.warned {
			t.Errorf("%x: asked for the last try: %v, not %v; %d warnings", flags, err, want.asked, warned)
		}
	}
	if err := wrong(Token{}, pinLocked); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	for _, s := range []pinState{pinFine, pinWrong, pinLast} {
		if err := wrong(Token{}, s); !errors.Is(err, ErrWrongPIN) || errors.Is(err, ErrLocked) {
			t.Error(err)
		}
	}
}
