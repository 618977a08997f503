package rewrap

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"tumbler/fsm"
)

// hold is why a due job does not run now.
type hold struct {
	forever bool // it will not become valid again: another lease or pass is another job
	times   int
	until   time.Time
	bad     []fsm.BlobRecord // blobs that it waits for
}

const maxDoublings = 5

// lengthen holds a job back for longer than the last time.
func (h *hold) lengthen(err error, now time.Time, retry time.Duration) {
	h.until = now.Add(retry << min(h.times, maxDoublings))
	h.times++
	h.bad = nil
	var bad *badError
	if errors.As(err, &bad) {
		h.bad = bad.blobs
	}
}

// wait is how long the job is to be held still: 0 is not any more, and below 0
// until the state changes. A job that waits for blobs goes on when one of them
// is another or gone, and otherwise looks, and reports, again after a while,
// unless the state has this unit's word already.
func (h *hold) wait(view *fsm.View, r fsm.Rotation, unit uint32, now time.Time) (time.Duration, error) {
	if h.forever {
		return -1, nil
	}
	stated := len(h.bad) > 0
	for _, b := range h.bad {
		is, err := view.Blob(view.CurrentEpoch(), b.Number)
		switch {
		case errors.Is(err, fsm.ErrNotFound) || errors.Is(err, fsm.ErrSetAside):
			return 0, nil
		case err != nil:
			return 0, err
		case !bytes.Equal(is.Blob, b.Blob):
			return 0, nil
		}
		stated = stated && slices.ContainsFunc(r.Bad, func(q fsm.BadBlob) bool {
			return q.Number == b.Number && slices.Contains(q.Units, unit)
		})
	}
	if stated {
		return -1, nil
	}
	return max(h.until.Sub(now), 0), nil
}
