//go:build linux

package main

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// TestHistoriesAreJudged: what a cluster that loses a key, brings one back or reads the past would tell is found.
func TestHistoriesAreJudged(t *testing.T) {
	type op = porcupine.Operation
	for name, test := range map[string]struct {
		calls []op
		right bool
	}{
		"a key's life": {[]op{
			{Input: create, Output: done, Call: 1, Return: 2}, {Input: use, Output: done, Call: 3, Return: 4},
			{Input: remove, Output: done, Call: 5, Return: 8}, {Input: use, Output: gone, Call: 6, Return: 7}, {Input: list, Output: unknown, Call: 9, Return: 10},
		}, true},
		"a create that was not answered shows up": {[]op{
			{Input: create, Output: maybe, Call: 1, Return: forever}, {Input: list, Output: unknown, Call: 3, Return: 4}, {Input: list, Output: done, Call: 5, Return: 6},
		}, true},
		"a delete that was not answered happens late": {[]op{
			{Input: create, Output: done, Call: 1, Return: 2}, {Input: remove, Output: maybe, Call: 3, Return: forever},
			{Input: use, Output: done, Call: 5, Return: 6}, {Input: use, Output: gone, Call: 7, Return: 8},
		}, true},
		"a key is lost": {[]op{
			{Input: create, Output: done, Call: 1, Return: 2}, {Input: use, Output: unknown, Call: 3, Return: 4},
		}, false},
		"a key is missing in a list": {[]op{
			{Input: create, Output: done, Call: 1, Return: 2}, {Input: list, Output: unknown, Call: 3, Return: 4},
		}, false},
		"a deleted key comes back": {[]op{
			{Input: create, Output: done, Call: 1, Return: 2}, {Input: remove, Output: done, Call: 3, Return: 4}, {Input: use, Output: done, Call: 5, Return: 6},
		}, false},
		"a read is of the past": {[]op{
			{Input: create, Output: done, Call: 1, Return: 2}, {Input: remove, Output: maybe, Call: 3, Return: forever},
			{Input: use, Output: gone, Call: 5, Return: 6}, {Input: use, Output: done, Call: 7, Return: 8},
		}, false},
		"a key is gone that nobody deleted": {[]op{
			{Input: create, Output: done, Call: 1, Return: 2}, {Input: use, Output: gone, Call: 3, Return: 4},
		}, false},
	} {
		if got := porcupine.CheckOperations(model, test.calls); got != test.right {
			t.Errorf("%s: linearizable is %v", name, got)
		}
	}
}

// TestAHistoryIsCutWhereItIsSettled: what is known stays known, and what is open stays open.
func TestAHistoryIsCutWhereItIsSettled(t *testing.T) {
	h := newHistory()
	h.note(1, "a", h.now(), create, done)
	h.note(1, "b", h.now(), create, done)
	h.note(1, "b", h.now(), remove, done)
	h.note(1, "c", h.now(), create, maybe)
	for range 2 {
		if wrong := h.check(); len(wrong) > 0 {
			t.Fatal(wrong)
		}
	}
	h.note(2, "c", h.now(), use, done)
	if wrong := h.check(); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	for range 64 { // told apart, they would be more states than can be visited
		h.note(2, "c", h.now(), remove, maybe)
		h.note(3, "c", h.now(), use, done)
	}
	if wrong := h.check(); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	h.note(2, "a", h.now(), use, unknown)
	h.note(2, "b", h.now(), use, done)
	if wrong := h.check(); len(wrong) != 2 {
		t.Errorf("%d keys are found wrong, not 2: %v", len(wrong), wrong)
	}
}
