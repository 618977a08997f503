package cryptounit

// Sealed gives the unit's file as it lies on disk, sealed, with the status
// that it holds: for an archive, which Restore takes it from again.
func (u *Unit) Sealed() (file []byte, s Status, err error) {
	u.control.Lock()
	defer u.control.Unlock()
	if u.stopped != nil {
		return nil, Status{}, u.stopped
	}
	if file, err = u.file.in().Read(stateName, stateLimit); err != nil {
		return nil, Status{}, err
	}
	return file, u.Status(), nil
}
