package kms

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tumbler/fsm"
)

// Limits of the interface, as published.
const (
	MaxStandardPayload = 7500 // bytes of a standard key, and of a plaintext to wrap
	MaxAliases         = 5    // of a key
	MaxTags            = 30
	MaxAAD             = 126 // strings
	MaxAADLength       = 255 // characters each
	DefaultLimit       = 200
	MaxLimit           = 5000

	defaultKeyRing = "default"
	ownerKMS       = "kms"
	ownerSystem    = "tumbler"
)

func checkName(name string) error { return checkText("name", name, 2, 90) }

func checkText(field, s string, least, most int) error {
	if n := utf8.RuneCountInString(s); n < least || n > most {
		return ErrField.with("%s: %d characters; want %d to %d", field, n, least, most)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return ErrField.with("%s: control characters are not allowed", field)
	}
	return nil
}

// checkAlias: 2 to 90 letters, digits, - and _, and not such that it could be a key's id.
func checkAlias(alias string) error {
	if n := len(alias); n < 2 || n > 90 {
		return ErrField.with("aliases: one of %d bytes; want 2 to 90", n)
	}
	for _, r := range alias {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
			return ErrField.with("aliases: %q: want letters, digits, - and _ alone", printable(alias))
		}
	}
	if _, isID := ParseID(strings.ToLower(alias)); isID {
		return ErrField.with("aliases: %q looks like a key's id", alias)
	}
	return nil
}

func checkRootPayload(n int) error {
	if n != 16 && n != 24 && n != 32 {
		return ErrField.with("payload: %d bytes; a root key has 16, 24 or 32", n)
	}
	return nil
}

func checkStandardPayload(field string, n int) error {
	if n < 1 || n > MaxStandardPayload {
		return ErrField.with("%s: %d bytes; want 1 to %d", field, n, MaxStandardPayload)
	}
	return nil
}

func checkAAD(aad []string) error {
	if len(aad) > MaxAAD {
		return ErrField.with("aad: %d strings; want at most %d", len(aad), MaxAAD)
	}
	for _, s := range aad {
		if n := utf8.RuneCountInString(s); n > MaxAADLength {
			return ErrField.with("aad: a string of %d characters; want at most %d", n, MaxAADLength)
		}
	}
	return nil
}

// metadata checks what a caller wants of a new key.
func (n NewKey) metadata(now time.Time) (fsm.KeyMetadata, error) {
	none := fsm.KeyMetadata{}
	if err := checkName(n.Name); err != nil {
		return none, err
	}
	if n.Description != "" {
		if err := checkText("description", n.Description, 2, 240); err != nil {
			return none, err
		}
	}
	if len(n.Aliases) > MaxAliases {
		return none, ErrField.with("aliases: %d; a key has at most %d", len(n.Aliases), MaxAliases)
	}
	seen := map[string]bool{}
	for _, alias := range n.Aliases {
		if err := checkAlias(alias); err != nil {
			return none, err
		}
		if seen[alias] {
			return none, ErrField.with("aliases: %q is given twice", alias)
		}
		seen[alias] = true
	}
	if len(n.Tags) > MaxTags {
		return none, ErrField.with("tags: %d; a key has at most %d", len(n.Tags), MaxTags)
	}
	for _, tag := range n.Tags {
		if err := checkText("tags", tag, 2, 90); err != nil {
			return none, err
		}
	}
	if !n.Expires.IsZero() && (!n.Expires.After(now) || n.Expires.Year() > 2200) {
		return none, ErrField.with("expirationDate: %s; want a time to come", n.Expires.Format(time.RFC3339))
	}
	if n.Payload != nil {
		check := checkRootPayload(len(n.Payload))
		if n.Extractable {
			check = checkStandardPayload("payload", len(n.Payload))
		}
		if check != nil {
			return none, check
		}
	}
	return fsm.KeyMetadata{
		Name: n.Name, Description: n.Description, KeyRing: defaultKeyRing, Aliases: n.Aliases, Tags: n.Tags,
		Extractable: n.Extractable, Expires: fsm.TimeOf(n.Expires),
	}, nil
}

// printable makes what a caller wrote fit for a log line and a message.
func printable(s string) string {
	const most = 100
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s[:min(len(s), most)])
	return s
}
