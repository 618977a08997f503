package admin

import "tumbler/fsm"

// StateOf is a node's store as this package reads it.
func StateOf(store *fsm.Store) State { return storeState{store} }

type storeState struct{ *fsm.Store }

func (s storeState) View() (View, error) {
	v, err := s.Store.View()
	if err != nil {
		return nil, err // a nil *fsm.View in a View would not be nil
	}
	return v, nil
}
