package card

import (
	"strings"
	"testing"
)

func TestAURIIsWrittenAsItIsRead(t *testing.T) {
	for text, want := range map[string]URI{
		"pkcs11:token=alice?module-path=/usr/lib/x.so":                                        {Token: "alice", Module: "/usr/lib/x.so"},
		"pkcs11:serial=01%20ff;object=Alice%3b%20A.?module-path=/x.so&pin-source=file:/run/p": {Serial: "01 ff", Object: "Alice; A.", Module: "/x.so", PINSource: "/run/p"},
		"pkcs11:token=t;manufacturer=m;model=o?pin-source=/p&module-path=/x.so":               {Token: "t", Manufacturer: "m", Model: "o", Module: "/x.so", PINSource: "/p"},
	} {
		got, err := ParseURI(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := ParseURI(got.String()); err != nil || again != want {
			t.Errorf("%s is written as %s: %+v, %v", text, got, again, err)
		}
	}
}

func TestURIsThatAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		"token=alice": "no PKCS #11 URI",
		"pkcs11:token=alice?module-path=/x.so&pin-value=1234": "holds a PIN",
		"pkcs11:token=alice;pin-value=1234?module-path=/x.so": "holds a PIN",
		"pkcs11:token=alice":                                    "does not name the library",
		"pkcs11:token=alice?module-path=x.so":                   "does not name the library",
		"pkcs11:object=x?module-path=/x.so":                     "does not name the card",
		"pkcs11:token=a;token=b?module-path=/x.so":              "names token twice",
		"pkcs11:token=%zz?module-path=/x.so":                    "no good value for token",
		"pkcs11:token=%00?module-path=/x.so":                    "no good value for token",
		"pkcs11:token=?module-path=/x.so":                       "no good value for token",
		"pkcs11:token=a;slot-id=3?module-path=/x.so":            `"slot-id", which is not used here`,
		"pkcs11:token=a?module-path=/x.so&pin-source=|cat%20/p": "no path of a file",
	} {
		if u, err := ParseURI(text); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "1234") {
			t.Errorf("%s: %+v, %v", text, u, err)
		}
	}
}

// FuzzURI: what is read is written so that it is read again.
func FuzzURI(f *testing.F) {
	f.Add("pkcs11:token=alice;object=%41?module-path=/usr/lib/x.so&pin-source=file:/run/p")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseURI(text)
		if err != nil {
			return
		}
		if again, err := ParseURI(u.String()); err != nil || again != u {
			t.Fatalf("%q is %+v, written as %q: %+v, %v", text, u, u.String(), again, err)
		}
	})
}
