package card

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// URI is a PKCS #11 URI (RFC 7512) as far as it is used here: `pkcs11:token=LABEL;object=NAME?module-path=LIBRARY`. What is
// empty matches everything.
type URI struct {
	Token, Serial, Manufacturer, Model string // of the card
	Object                             string // label of the key or the part
	Module                             string // path of the PKCS #11 library
	PINSource                          string // path of a file with the PIN
}

const scheme = "pkcs11:"

// attributes are the fields by their names in a URI, those of the path and those of the query.
func (u *URI) attributes() (path, query []attribute) {
	return []attribute{{"token", &u.Token}, {"serial", &u.Serial}, {"manufacturer", &u.Manufacturer}, {"model", &u.Model}, {"object", &u.Object}},
		[]attribute{{"module-path", &u.Module}, {"pin-source", &u.PINSource}}
}

type attribute struct {
	name  string
	value *string
}

// ParseURI reads a URI. A PIN in it is refused: arguments are seen by everyone on the machine.
func ParseURI(text string) (URI, error) {
	rest, ok := strings.CutPrefix(text, scheme)
	if !ok {
		return URI{}, fmt.Errorf("%q is no PKCS #11 URI: give pkcs11:token=LABEL?module-path=LIBRARY (RFC 7512)", text)
	}
	var u URI
	path, query := u.attributes()
	inPath, inQuery, _ := strings.Cut(rest, "?")
	if err := errors.Join(readAttributes(inPath, ";", path), readAttributes(inQuery, "&", query)); err != nil {
		return URI{}, err
	}
	u.PINSource = strings.TrimPrefix(u.PINSource, "file:")
	switch {
	case !filepath.IsAbs(u.Module):
		return URI{}, errors.New("the PKCS #11 URI does not name the library of the card: add ?module-path=/path/to/library.so, as the card's documentation names it")
	case u.Token == "" && u.Serial == "":
		return URI{}, errors.New("the PKCS #11 URI does not name the card: add token=LABEL or serial=NUMBER")
	case u.PINSource != "" && !filepath.IsAbs(u.PINSource):
		return URI{}, errors.New("pin-source in the PKCS #11 URI is no path of a file")
	}
	return u, nil
}

func readAttributes(text, separator string, known []attribute) error {
	for pair := range strings.SplitSeq(text, separator) {
		name, encoded, _ := strings.Cut(pair, "=")
		if pair == "" {
			continue
		}
		if name == "pin-value" {
			return errors.New("the PKCS #11 URI holds a PIN, which everyone on this machine can see: take it out, and change it")
		}
		value, err := url.PathUnescape(encoded)
		if err != nil || value == "" || strings.ContainsRune(value, 0) {
			return fmt.Errorf("the PKCS #11 URI has no good value for %s", name)
		}
		found := false
		for _, a := range known {
			if a.name != name {
				continue
			}
			if *a.value != "" {
				return fmt.Errorf("the PKCS #11 URI names %s twice", name)
			}
			*a.value, found = value, true
		}
		if !found {
			return fmt.Errorf("the PKCS #11 URI has %q, which is not used here: name token, serial, manufacturer, model and object, then module-path and pin-source", name)
		}
	}
	return nil
}

// String returns the URI.
func (u URI) String() string {
	path, query := u.attributes()
	text := scheme + writeAttributes(path, ";")
	if more := writeAttributes(query, "&"); more != "" {
		text += "?" + more
	}
	return text
}

func writeAttributes(all []attribute, separator string) string {
	var parts []string
	for _, a := range all {
		if *a.value != "" {
			parts = append(parts, a.name+"="+escape(*a.value))
		}
	}
	return strings.Join(parts, separator)
}

// escape writes everything but the characters that mean nothing anywhere in a URI as %XX.
func escape(value string) string {
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
