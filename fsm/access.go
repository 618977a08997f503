package fsm

import "errors"

func (t *tx) createAPIKey(c *CreateAPIKey) (Result, error) {
	k := c.APIKey
	if err := k.valid(); err != nil {
		return Result{}, err
	}
	var exists APIKeyRecord
	if err := get(t.from, space(spaceAPIKey, k.ID[:]), &exists); err == nil {
		return Result{}, ErrAPIKeyExists
	} else if !errors.Is(err, ErrNotFound) {
		return Result{}, err
	}
	t.put(space(spaceAPIKey, k.ID[:]), k)
	return Result{}, nil
}

func (r *APIKeyRecord) valid() error {
	if r.ID == (ID{}) || r.Hash == ([32]byte{}) || r.Role == "" {
		return ErrInvalid.with("an API key has an id, a role and a hash")
	}
	return nil
}

func (t *tx) deleteAPIKey(c *DeleteAPIKey) (Result, error) {
	var k APIKeyRecord
	if err := get(t.from, space(spaceAPIKey, c.ID[:]), &k); errors.Is(err, ErrNotFound) {
		return Result{}, ErrAPIKeyNotFound
	} else if err != nil {
		return Result{}, err
	}
	t.remove(space(spaceAPIKey, c.ID[:]))
	return Result{}, nil
}

func (t *tx) token(id ID) (TokenRecord, error) {
	var k TokenRecord
	err := get(t.from, space(spaceToken, id[:]), &k)
	if errors.Is(err, ErrNotFound) {
		return k, ErrTokenUnknown
	}
	return k, err
}

func (t *tx) createToken(c *CreateToken) (Result, error) {
	if _, err := t.token(c.Token.ID); err == nil {
		return Result{}, ErrTokenExists
	} else if !errors.Is(err, ErrTokenUnknown) {
		return Result{}, err
	}
	if c.Token.ID == (ID{}) || c.Token.Hash == ([32]byte{}) || c.Token.Expires == 0 || c.Token.Used != 0 {
		return Result{}, ErrInvalid.with("a token has an id, a hash and an end")
	}
	t.put(space(spaceToken, c.Token.ID[:]), c.Token)
	return Result{}, nil
}

// useToken spends a token, once; the unit that spent it may come again with it, after a join that was cut off.
func (t *tx) useToken(c *UseToken) (Result, error) {
	k, err := t.token(c.ID)
	switch {
	case err != nil:
		return Result{}, err
	case c.Unit == 0 || c.At <= 0: // a zero would leave it unspent
		return Result{}, ErrInvalid.with("a token is used by a unit, at a time")
	case k.Hash != c.Hash || k.Unit != 0 && k.Unit != c.Unit:
		return Result{}, ErrTokenUnknown
	case k.Used != 0 && k.UsedBy == c.Unit:
		return Result{}, nil
	case k.Used != 0:
		return Result{}, ErrTokenUsed
	case c.At > k.Expires:
		return Result{}, ErrTokenExpired
	}
	k.Used, k.UsedBy = c.At, c.Unit
	t.put(space(spaceToken, c.ID[:]), k)
	return Result{}, nil
}

func (t *tx) revokeToken(c *RevokeToken) (Result, error) {
	if _, err := t.token(c.ID); err != nil {
		return Result{}, err
	}
	t.remove(space(spaceToken, c.ID[:]))
	return Result{}, nil
}
