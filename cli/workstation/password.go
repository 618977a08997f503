package workstation

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"
)

// Limits of passwords for new files.
const (
	// MinPassword is the least number of characters (NIST SP 800-63B, section 5.1.1).
	MinPassword = 8
	// leastGuesses is what a guesser who has the file should need: zxcvbn's third step of four, for what is hashed slowly and
	// guessed offline. With the usual work factor of a file, 100 million guesses are more than six years of one processor.
	leastGuesses = 1e8
	// judged is how many characters are looked at: the time it takes grows with their square, and so many are enough.
	judged = 64
)

// WeakPasswordError refuses a password for a new file.
type WeakPasswordError struct{ problem string }

func (e *WeakPasswordError) Error() string {
	return fmt.Sprintf("the password is too weak: %s: take four words that have nothing to do with each other, or let --generate-password make one", e.problem)
}

// CheckPassword tells what is wrong with a password for a new file: too short, or soon guessed, as common passwords, names,
// dates, rows of the keyboard and what is known of the file (a name, a description) are. No kind of character is demanded
// (NIST SP 800-63B).
func CheckPassword(password string, known ...string) error {
	if utf8.RuneCountInString(password) < MinPassword {
		return &WeakPasswordError{fmt.Sprintf("it has less than %d characters", MinPassword)}
	}
	runes := []rune(password)
	if tries := guesses(wordsOnce(string(runes[:min(len(runes), judged)])), known); tries < leastGuesses {
		return &WeakPasswordError{fmt.Sprintf("whoever has the file guesses it in some %.0e tries", tries)}
	}
	if different(runes) < MinPassword/2 {
		return &WeakPasswordError{"it repeats a few characters"}
	}
	return nil
}

// guesses is how many tries somebody needs who knows how people choose passwords.
func guesses(password string, known []string) float64 {
	return zxcvbn.PasswordStrength(password, known).Guesses
}

// wordsOnce leaves out words that were there before: to say a name twice makes it no secret.
func wordsOnce(password string) string {
	var once []string
	for _, word := range strings.Fields(password) {
		if !slices.ContainsFunc(once, func(w string) bool { return strings.EqualFold(w, word) }) {
			once = append(once, word)
		}
	}
	return strings.Join(once, " ")
}

func different(runes []rune) int {
	seen := map[rune]bool{}
	for _, r := range runes {
		seen[r] = true
	}
	return len(seen)
}

// GeneratePassword draws a password of 130 random bits, in groups of five letters and digits that are not mistaken for each
// other.
func GeneratePassword() string {
	text := strings.ToLower(rand.Text())
	var groups []string
	for len(text) > 0 {
		n := min(5, len(text))
		groups, text = append(groups, text[:n]), text[n:]
	}
	return strings.Join(groups, "-")
}
