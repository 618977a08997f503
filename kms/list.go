package kms

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"tumbler/fsm"
)

const (
	scanPage = 1000   // keys read at first; each page after is four times the last, as the state counts an offset off
	maxSort  = 100000 // keys that are sorted in memory
)

// ListOptions narrow a list down. The zero value gives the first 200 keys that are not deleted.
type ListOptions struct {
	Limit       int // 0: 200; at most 5,000
	Offset      int
	States      []State // nil: all but destroyed
	Extractable *bool
	Search      string // in name and aliases; may begin with exact:, escape:, not:, alias: and name:
	Sort        string // properties, comma separated, - before one for descending; "": the store's own order
}

func checkPage(limit, offset int) (int, error) {
	if limit == 0 {
		limit = DefaultLimit
	}
	if limit < 1 || limit > MaxLimit {
		return 0, ErrQuery.with("limit: %d; want 1 to %d", limit, MaxLimit)
	}
	if offset < 0 {
		return 0, ErrQuery.with("offset: %d; want 0 or more", offset)
	}
	return limit, nil
}

// List gives a page of keys.
func (s *Service) List(ctx context.Context, caller Caller, o ListOptions) ([]Key, error) {
	c, err := s.begin(ctx, caller, ActionList, "")
	if err != nil {
		return nil, err
	}
	defer c.end()
	limit, err := checkPage(o.Limit, o.Offset)
	if err != nil {
		return nil, err
	}
	search, err := parseSearch(o.Search)
	if err != nil {
		return nil, err
	}
	order, err := parseSort(o.Sort)
	if err != nil {
		return nil, err
	}
	filter := fsm.KeyFilter{Class: fsm.ClassKMS, Extractable: o.Extractable, KeyRing: caller.KeyRing}
	found, err := c.find(filter, o.States, search, order, limit, o.Offset)
	if err != nil {
		return nil, err
	}
	out := make([]Key, len(found))
	for i, key := range found {
		out[i] = c.show(key)
	}
	return out, nil
}

// find reads page by page. What the state cannot choose by (a search, a state that depends on the time) is chosen
// here, and only what is asked for is kept.
func (c *call) find(filter fsm.KeyFilter, states []fsm.KeyState, search matcher, order ordering, limit, offset int) ([]fsm.Key, error) {
	if search == nil && order == nil && states == nil {
		keys, err := c.view.Keys(filter, offset, limit)
		return keys, explain(err)
	}
	filter.States = stored(states)
	now := c.now()
	var kept []fsm.Key
	for from, size := 0, scanPage; ; from, size = from+size, size*4 {
		if err := c.ctx.Err(); err != nil {
			return nil, explain(err)
		}
		page, err := c.view.Keys(filter, from, size)
		if err != nil {
			return nil, explain(err)
		}
		for _, key := range page {
			if search != nil && !search(key) || states != nil && !slices.Contains(states, stateOf(key, now)) {
				continue
			}
			if order == nil && offset > 0 {
				offset--
				continue
			}
			kept = append(kept, key)
			if order == nil && len(kept) == limit {
				return kept, nil
			}
			if len(kept) > maxSort {
				return nil, ErrQuery.with("sort: more than %d keys; narrow them down with search, state or extractable", maxSort)
			}
		}
		if len(page) < size {
			break
		}
	}
	if order != nil {
		slices.SortStableFunc(kept, order)
		kept = kept[min(offset, len(kept)):]
	}
	return kept[:min(limit, len(kept))], nil
}

// stored widens states to what is in the state: a key that has expired is deactivated, but its record says active.
func stored(states []fsm.KeyState) []fsm.KeyState {
	if slices.Contains(states, fsm.KeyDeactivated) && !slices.Contains(states, fsm.KeyActive) {
		return append(slices.Clone(states), fsm.KeyActive)
	}
	return states
}

// matcher chooses keys; nil chooses all.
type matcher func(fsm.Key) bool

// parseSearch reads [not:][escape:][exact:][alias:|name:]text, the prefixes in any order.
func parseSearch(s string) (matcher, error) {
	s = strings.TrimSuffix(s, ",") // the published client appends one
	if s == "" {
		return nil, nil
	}
	if len(s) > 256 {
		return nil, ErrQuery.with("search: %d bytes; want at most 256", len(s))
	}
	var not, exact, onlyAlias, onlyName bool
	text := s
	for again := true; again; {
		prefix, rest, _ := strings.Cut(text, ":")
		switch prefix {
		case "not":
			not = true
		case "exact":
			exact = true
		case "alias":
			onlyAlias = true
		case "name":
			onlyName = true
		case "escape": // the rest is taken as it is
			again = false
		default:
			again, rest = false, text
		}
		text = rest
		if text == "" {
			return nil, ErrQuery.with("search: %q has no text to look for", printable(s))
		}
	}
	text = strings.ToLower(text)
	match := func(value string) bool {
		value = strings.ToLower(value)
		return value == text || !exact && strings.Contains(value, text)
	}
	return func(k fsm.Key) bool {
		found := !onlyAlias && match(k.Metadata.Name) || !onlyName && slices.ContainsFunc(k.Metadata.Aliases, match)
		return found != not
	}, nil
}

type ordering func(a, b fsm.Key) int

// parseSort reads comma-separated properties.
func parseSort(s string) (ordering, error) {
	if s == "" {
		return nil, nil
	}
	var orders []ordering
	for _, property := range strings.Split(s, ",") {
		name, descending := strings.CutPrefix(property, "-")
		order := orderBy(name)
		if order == nil || len(orders) == 16 {
			return nil, ErrQuery.with("sort: %q is not a property to sort by", printable(property))
		}
		if descending {
			ascending := order
			order = func(a, b fsm.Key) int { return ascending(b, a) }
		}
		orders = append(orders, order)
	}
	return func(a, b fsm.Key) int {
		for _, order := range orders {
			if c := order(a, b); c != 0 {
				return c
			}
		}
		return 0
	}, nil
}

func orderBy(property string) ordering {
	number := func(f func(fsm.Key) int64) ordering {
		return func(a, b fsm.Key) int { return cmp.Compare(f(a), f(b)) }
	}
	switch property {
	case "id":
		return func(a, b fsm.Key) int { return slices.Compare(a.ID[:], b.ID[:]) }
	case "name":
		return func(a, b fsm.Key) int { return cmp.Compare(a.Metadata.Name, b.Metadata.Name) }
	case "creationDate":
		return number(func(k fsm.Key) int64 { return int64(k.Created.At) })
	case "lastUpdateDate":
		return number(func(k fsm.Key) int64 { return int64(k.Updated.At) })
	case "lastRotateDate":
		return number(func(k fsm.Key) int64 {
			if len(k.Versions) < 2 {
				return 0
			}
			return int64(k.Current().Created.At)
		})
	case "deletionDate":
		return number(func(k fsm.Key) int64 { return int64(k.Deleted.At) })
	case "expirationDate":
		return number(func(k fsm.Key) int64 { return int64(k.Metadata.Expires) })
	case "state":
		return number(func(k fsm.Key) int64 { return int64(k.State) })
	case "extractable":
		return number(func(k fsm.Key) int64 { return truth(k.Metadata.Extractable) })
	case "imported":
		return number(func(k fsm.Key) int64 { return truth(k.Current().Imported) })
	}
	return nil
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
