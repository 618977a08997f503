package signing

import (
	"errors"
	"fmt"
	"slices"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
	"tumbler/cli/signservice"
	"tumbler/cli/workstation"
)

// Keyring is where administrators' signature keys are: in files of the workstation folder, or in a signing service.
type Keyring interface {
	// list gives all keys, by KEYNUM. What nobody knows without a token that was not given is left out.
	List() ([]workstation.SigKeyInfo, error)
	// look says which key a KEYNUM is. place is its place among those that the command uses: that of its line in a password file.
	Look(keyNum, place int) (workstation.SigKeyInfo, error)
	// open gives the key, by a password or a token that was given, or is asked for.
	Open(keyNum, place int, prompt string) (SignatureKey, error)
	// current gives the KEYNUMs of the keys that sign unless others are named, and choose sets them.
	Current() ([]int, error)
	Choose(keyNums []int) error
}

// Keyring gives the signing service if there is one, and the folder's files otherwise.
func (i *Session) Keyring(folder *workstation.Folder) (Keyring, error) {
	if i.Streams.Env(signservice.EnvURL) == "" {
		return fileKeys{i, folder}, nil
	}
	if i.service == nil {
		service, err := newServiceKeys(i, folder)
		if err != nil {
			return nil, err
		}
		i.service = service
	}
	return i.service, nil
}

// fileKeys are signature keys in password-protected files.
type fileKeys struct {
	i      *Session
	folder *workstation.Folder
}

func (f fileKeys) List() ([]workstation.SigKeyInfo, error) { return f.folder.SigKeys() }

func (f fileKeys) Look(keyNum, _ int) (workstation.SigKeyInfo, error) {
	return f.folder.SigKey(keyNum)
}

func (f fileKeys) Current() ([]int, error) { return f.folder.SelectedSigKeys() }

func (f fileKeys) Choose(keyNums []int) error { return f.folder.SelectSigKeys(keyNums) }

func (f fileKeys) Open(keyNum, place int, prompt string) (SignatureKey, error) {
	return f.i.openSigKey(f.folder, keyNum, place, prompt)
}

// serviceKeys are signature keys in a signing service. Their KEYNUM is their place in the list of the folder.
type serviceKeys struct {
	i       *Session
	folder  *workstation.Folder
	service *signservice.Service
	entries []signservice.Entry
	opened  map[int]serviceKey
}

// serviceKey is a key that the service has shown.
type serviceKey struct {
	*signservice.Key
	info workstation.SigKeyInfo
}

func (k serviceKey) Info() workstation.SigKeyInfo { return k.info }

func newServiceKeys(i *Session, folder *workstation.Folder) (*serviceKeys, error) {
	service, err := signservice.New(i.Streams.Env(signservice.EnvURL), i.Streams.Env(signservice.EnvCA))
	if err != nil {
		return nil, err
	}
	entries, open, err := signservice.ReadFile(folder.Dir())
	if err != nil {
		return nil, err
	}
	if open {
		command.Line(i.Streams.Err, "==> WARNING: %s/%s holds tokens, and others on this machine may read it: `chmod 600` it. <==", folder.Dir(), signservice.File)
	}
	return &serviceKeys{i, folder, service, entries, map[int]serviceKey{}}, nil
}

func (s *serviceKeys) entry(keyNum int) (signservice.Entry, error) {
	if keyNum < 1 || keyNum > len(s.entries) {
		return signservice.Entry{}, fmt.Errorf("there is no signature key with KEYNUM %d in %s/%s, which lists %d", keyNum, s.folder.Dir(), signservice.File, len(s.entries))
	}
	return s.entries[keyNum-1], nil
}

func (s *serviceKeys) List() ([]workstation.SigKeyInfo, error) {
	var all []workstation.SigKeyInfo
	for n, e := range s.entries {
		info := workstation.SigKeyInfo{KeyNum: n + 1, Name: e.Administrator()}
		token, given, err := s.given(n+1, n)
		if err != nil {
			return nil, err
		}
		if given {
			key, err := s.ask(n+1, token)
			if err != nil {
				return nil, err
			}
			info = key.info
		}
		all = append(all, info)
	}
	return all, nil
}

func (s *serviceKeys) Look(keyNum, place int) (workstation.SigKeyInfo, error) {
	key, err := s.Open(keyNum, place, "")
	if err != nil {
		return workstation.SigKeyInfo{}, err
	}
	return key.Info(), nil
}

// Open asks for a token where a password would be asked for; the prompt names the key, for nothing else is known of it yet.
func (s *serviceKeys) Open(keyNum, place int, _ string) (SignatureKey, error) {
	if key, done := s.opened[keyNum]; done {
		return key, nil
	}
	entry, err := s.entry(keyNum)
	if err != nil {
		return nil, err
	}
	token, given, err := s.given(keyNum, place)
	if err != nil {
		return nil, err
	}
	if !given {
		if token, err = s.i.Password("Enter the token for the signature key identified by:\n"+entry.Key, SigKeyPasswords.How()); err != nil {
			return nil, err
		}
	}
	return s.ask(keyNum, token)
}

// given gives a token that needs no prompt: the one of the list, or one given as passwords are.
func (s *serviceKeys) given(keyNum, place int) (string, bool, error) {
	entry, err := s.entry(keyNum)
	if err != nil || entry.Token != "" {
		return entry.Token, true, err
	}
	return s.i.GivenPassword(SigKeyPasswords, keyNum, place)
}

func (s *serviceKeys) ask(keyNum int, token string) (serviceKey, error) {
	entry := s.entries[keyNum-1]
	key, err := s.service.Key(s.i.Context.Context, entry.Key, token)
	if err != nil {
		return serviceKey{}, err
	}
	info, err := workstation.Describe(entry.Administrator(), key.Public())
	if err != nil {
		return serviceKey{}, err
	}
	info.KeyNum = keyNum
	s.opened[keyNum] = serviceKey{key, info}
	return s.opened[keyNum], nil
}

// Current gives the keys that were chosen, or all that the list has.
func (s *serviceKeys) Current() ([]int, error) {
	names, err := s.folder.SelectedServiceKeys()
	if err != nil {
		return nil, err
	}
	var chosen []int
	for n, e := range s.entries {
		if len(names) == 0 || slices.Contains(names, e.Key) {
			chosen = append(chosen, n+1)
		}
	}
	return chosen, nil
}

func (s *serviceKeys) Choose(keyNums []int) error {
	var names []string
	for _, n := range keyNums {
		entry, err := s.entry(n)
		if err != nil {
			return err
		}
		names = append(names, entry.Key)
	}
	return s.folder.SelectServiceKeys(names)
}

// NoService refuses what a signing service does itself.
func (i *Session) NoService() error {
	if i.Streams.Env(signservice.EnvURL) == "" {
		return nil
	}
	return errors.New("signature keys are made and deleted in the signing service, and listed in " + signservice.File + ": to work with files, unset " + signservice.EnvURL)
}

// KeyFlags choose signature keys.
func KeyFlags() []urfave.Flag {
	return []urfave.Flag{
		command.TextFlag("keynum", "`KEYNUM`s of the signature keys that sign, separated by commas (the first signs the first key part); else the current ones (sigkey-sel)"),
		command.TextFlag("password-file", "`FILE` with the passwords of the signature keys, a line each, in the order in which the KEYNUMs are named [$TUMBLER_SIGKEY_PASSWORD, $TUMBLER_SIGKEY_PASSWORD_<KEYNUM>]"),
	}
}

// SignFlags are those of commands that sign with an administrator's key.
func SignFlags(more ...urfave.Flag) []urfave.Flag {
	return slices.Concat(more, KeyFlags(), command.OutputFlags(), command.ConnectionFlags(), command.FolderFlags())
}
