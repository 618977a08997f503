package cli

import (
	"errors"
	"fmt"
	"slices"

	"tumbler/cli/signservice"
	"tumbler/cli/workstation"
)

// keyring is where administrators' signature keys are: in files of the workstation folder, or in a signing service.
type keyring interface {
	// list gives all keys, by KEYNUM. What nobody knows without a token that was not given is left out.
	list() ([]workstation.SigKeyInfo, error)
	// look says which key a KEYNUM is. place is its place among those that the command uses: that of its line in a password file.
	look(keyNum, place int) (workstation.SigKeyInfo, error)
	// open gives the key, by a password or a token that was given, or is asked for.
	open(keyNum, place int, prompt string) (signatureKey, error)
	// current gives the KEYNUMs of the keys that sign unless others are named, and choose sets them.
	current() ([]int, error)
	choose(keyNums []int) error
}

// keyring gives the signing service if there is one, and the folder's files otherwise.
func (i *invocation) keyring(folder *workstation.Folder) (keyring, error) {
	if i.s.Env(signservice.EnvURL) == "" {
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
	i      *invocation
	folder *workstation.Folder
}

func (f fileKeys) list() ([]workstation.SigKeyInfo, error) { return f.folder.SigKeys() }

func (f fileKeys) look(keyNum, _ int) (workstation.SigKeyInfo, error) {
	return f.folder.SigKey(keyNum)
}

func (f fileKeys) current() ([]int, error) { return f.folder.SelectedSigKeys() }

func (f fileKeys) choose(keyNums []int) error { return f.folder.SelectSigKeys(keyNums) }

func (f fileKeys) open(keyNum, place int, prompt string) (signatureKey, error) {
	return f.i.openSigKey(f.folder, keyNum, place, prompt)
}

// serviceKeys are signature keys in a signing service. Their KEYNUM is their place in the list of the folder.
type serviceKeys struct {
	i       *invocation
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

func newServiceKeys(i *invocation, folder *workstation.Folder) (*serviceKeys, error) {
	service, err := signservice.New(i.s.Env(signservice.EnvURL), i.s.Env(signservice.EnvCA))
	if err != nil {
		return nil, err
	}
	entries, open, err := signservice.ReadFile(folder.Dir())
	if err != nil {
		return nil, err
	}
	if open {
		line(i.s.Err, "==> WARNING: %s/%s holds tokens, and others on this machine may read it: `chmod 600` it. <==", folder.Dir(), signservice.File)
	}
	return &serviceKeys{i, folder, service, entries, map[int]serviceKey{}}, nil
}

func (s *serviceKeys) entry(keyNum int) (signservice.Entry, error) {
	if keyNum < 1 || keyNum > len(s.entries) {
		return signservice.Entry{}, fmt.Errorf("there is no signature key with KEYNUM %d in %s/%s, which lists %d", keyNum, s.folder.Dir(), signservice.File, len(s.entries))
	}
	return s.entries[keyNum-1], nil
}

func (s *serviceKeys) list() ([]workstation.SigKeyInfo, error) {
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

func (s *serviceKeys) look(keyNum, place int) (workstation.SigKeyInfo, error) {
	key, err := s.open(keyNum, place, "")
	if err != nil {
		return workstation.SigKeyInfo{}, err
	}
	return key.Info(), nil
}

// open asks for a token where a password would be asked for; the prompt names the key, for nothing else is known of it yet.
func (s *serviceKeys) open(keyNum, place int, _ string) (signatureKey, error) {
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
		if token, err = s.i.password("Enter the token for the signature key identified by:\n"+entry.Key, sigKeyPasswords.how()); err != nil {
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
	return s.i.givenPassword(sigKeyPasswords, keyNum, place)
}

func (s *serviceKeys) ask(keyNum int, token string) (serviceKey, error) {
	entry := s.entries[keyNum-1]
	key, err := s.service.Key(s.i.c.Context, entry.Key, token)
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

// current gives the keys that were chosen, or all that the list has.
func (s *serviceKeys) current() ([]int, error) {
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

func (s *serviceKeys) choose(keyNums []int) error {
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

// noService refuses what a signing service does itself.
func (i *invocation) noService() error {
	if i.s.Env(signservice.EnvURL) == "" {
		return nil
	}
	return errors.New("signature keys are made and deleted in the signing service, and listed in " + signservice.File + ": to work with files, unset " + signservice.EnvURL)
}
