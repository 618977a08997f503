//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// call is what a client asked about one key; saw is what came back. A call without an answer may have happened at any time
// since, or never.
type (
	call uint8
	saw  uint8
)

const (
	create call = iota
	remove
	use  // wrap, unwrap, metadata
	list // was the key among those listed?
)

const (
	maybe   saw = iota // no answer, or one that leaves it open
	done               // it was done: the key is live; after remove: it was
	gone               // refused: the key is deleted
	unknown            // refused, or not listed: there is no such key
)

func (c call) String() string { return [...]string{"create", "delete", "use", "list"}[c] }
func (s saw) String() string  { return [...]string{"maybe", "done", "gone", "unknown"}[s] }

// forever is when a call without an answer ends.
const forever = math.MaxInt64

// being is what a key is: the model's state.
type being uint8

const (
	absent being = iota
	live
	deleted
)

// step tells whether a key that is so may answer so, and what it is afterwards.
func step(now being, c call, s saw) (bool, being) {
	switch {
	case c == create && s == done:
		return now == absent, live
	case c == create: // maybe
		return true, max(now, live)
	case c == remove && s == done:
		return now == live, deleted
	case c == remove && s == maybe:
		if now == live {
			return true, deleted
		}
		return true, now
	case s == done:
		return now == live, now
	case s == gone:
		return now == deleted, now
	case c == list: // a list has live keys alone
		return now != live, now
	}
	return now == absent, now
}

var model = porcupine.Model{
	Init: func() any { return absent },
	Step: func(state, input, output any) (bool, any) { return step(state.(being), input.(call), output.(saw)) },
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%v: %v", input, output)
	},
}

// history is every call, by key.
type history struct {
	began time.Time

	mu    sync.Mutex
	calls map[string][]porcupine.Operation
	count int
	open  int // of them without an answer
}

func newHistory() *history {
	return &history{began: time.Now(), calls: map[string][]porcupine.Operation{}}
}

func (h *history) now() int64 { return int64(time.Since(h.began)) }

// note notes a call about a key that began then and has come back now.
func (h *history) note(client int, key string, began int64, c call, s saw) {
	ended := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
	if s == maybe {
		h.open++
		if c == use || c == list {
			return // nothing was learnt, and nothing changed
		}
		ended = forever
		open := func(o porcupine.Operation) bool { return o.Return == forever && o.Input == c }
		if i := slices.IndexFunc(h.calls[key], open); i >= 0 {
			h.calls[key][i].Call = min(h.calls[key][i].Call, began) // whatever the later one does, this one may
			return
		}
	}
	h.calls[key] = append(h.calls[key], porcupine.Operation{ClientId: client, Input: c, Call: began, Output: s, Return: ended})
}

// size is how many calls there were, and how many of them without an answer.
func (h *history) size() (calls, open int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count, h.open
}

// check gives the keys whose calls have no order in which each answer is right. Of the others, if no call about them is open,
// only the present is kept: nobody calls meanwhile.
func (h *history) check() (wrong []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, calls := range h.calls {
		if !porcupine.CheckOperations(model, calls) {
			wrong = append(wrong, fmt.Sprintf("%s: %s", key, told(calls)))
			continue
		}
		if slices.ContainsFunc(calls, func(o porcupine.Operation) bool { return o.Return == forever }) {
			continue
		}
		now := h.now()
		h.calls[key] = []porcupine.Operation{{Input: create, Output: done, Call: now, Return: now + 1}}
		if slices.ContainsFunc(calls, func(o porcupine.Operation) bool { return o.Input == remove && o.Output == done }) {
			h.calls[key] = append(h.calls[key], porcupine.Operation{Input: remove, Output: done, Call: now + 2, Return: now + 3})
		}
	}
	slices.Sort(wrong)
	return wrong
}

// drop forgets keys that nobody will call about.
func (h *history) drop(names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		delete(h.calls, name)
	}
}

// told is the end of a key's history.
func told(calls []porcupine.Operation) (text string) {
	calls = slices.Clone(calls)
	slices.SortFunc(calls, func(a, b porcupine.Operation) int { return int(min(max(a.Call-b.Call, -1), 1)) })
	for _, o := range calls[max(len(calls)-20, 0):] {
		until := "?"
		if o.Return != forever {
			until = time.Duration(o.Return).Round(time.Millisecond).String()
		}
		text += fmt.Sprintf("\n  %v to %s, client %d: %v", time.Duration(o.Call).Round(time.Millisecond), until, o.ClientId, model.DescribeOperation(o.Input, o.Output))
	}
	return text
}
