package ceremony

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"tumbler/api/client"
	"tumbler/cli/command"
)

// How long watching waits: for news at a time, between two tries when no node answers, and for a cluster that is silent.
const (
	watchWait    = 10 * time.Second
	watchRetry   = 500 * time.Millisecond
	watchSilence = 5 * time.Minute
)

// The words of Trusted Key Entry for a rotation.
const (
	SaidStarted   = "Master key rotation started."
	saidRewrapped = "KMS CRK rewrap successful, waiting on cryptounit-mk-setimm"
	saidComplete  = "Master key rotation successful."
)

// Follow shows a rotation until it is over, blocked, or waits for a signature, and gives its last status.
func (i *Ceremony) Follow(ctx context.Context, admin *client.Client, digest string, p Progress) (client.RotationStatus, error) {
	defer p.Stop()
	w := watcher{admin: admin, digest: digest, progress: p, retry: time.NewTimer(0)}
	defer w.retry.Stop()
	for {
		status, err := w.next(ctx)
		if ctx.Err() != nil {
			return status, fmt.Errorf("%w: the rotation goes on without this command; `tumbler tke rotation watch` shows it again, "+
				"`tumbler tke rotation cancel` cancels it", command.ErrInterrupted)
		}
		if err != nil {
			return status, fmt.Errorf("watching the rotation (which goes on): %w", err)
		}
		if !w.rewrapped && wasRewrapped(status) {
			w.rewrapped = true
			p.Say(saidRewrapped)
		}
		if words := PaceWords(status.Pace); words != w.pace {
			if w.pace != "" || status.Pace != nil {
				p.Say("%s", words)
			}
			w.pace = words
		}
		p.Show(status)
		if client.Finished(status.State) || status.State == client.StateBlocked || held(status) {
			return status, nil
		}
	}
}

// held tells whether a rotation waits for the signature that its order asks for.
func held(s client.RotationStatus) bool {
	return s.Hold && s.State == client.StateRewrapped
}

func wasRewrapped(s client.RotationStatus) bool {
	if s.Order == nil || s.Order.Kind != "rotate" {
		return false
	}
	return s.State == client.StateRewrapped || s.State == client.StateActivating || s.State == client.StateComplete
}

// watcher asks for one rotation again and again, whichever node answers.
type watcher struct {
	admin     *client.Client
	digest    string
	progress  Progress
	version   uint64
	asked     bool
	rewrapped bool
	pace      string // as last said
	retry     *time.Timer
	silent    time.Time // since when no node answers; zero: one does
}

// next gives the rotation as soon as something changed. While no node can answer (a leader is replaced, a node starts) it
// goes on asking.
func (w *watcher) next(ctx context.Context) (client.RotationStatus, error) {
	for {
		status, err := w.ask(ctx)
		if err == nil {
			if !w.silent.IsZero() {
				w.silent = time.Time{}
				w.progress.Say("The cluster answers again.")
			}
			w.asked, w.version = true, status.Version
			return status, nil
		}
		if ctx.Err() != nil || !passing(err) {
			return status, err
		}
		if w.silent.IsZero() {
			w.silent = time.Now()
			w.progress.Say("The cluster does not answer at the moment (%v). Waiting....", err)
		}
		if time.Since(w.silent) > watchSilence {
			return status, err
		}
		w.asked = false
		w.retry.Reset(watchRetry)
		select {
		case <-ctx.Done():
		case <-w.retry.C:
		}
	}
}

func (w *watcher) ask(ctx context.Context) (client.RotationStatus, error) {
	var status client.RotationStatus
	var err error
	if w.asked {
		status, err = w.admin.WaitRotation(ctx, w.version, watchWait)
	} else {
		status, err = w.admin.Rotation(ctx)
	}
	if err != nil || status.Order != nil && status.Order.Digest == w.digest {
		return status, err
	}
	// A later order is the last one by now, or this node has not applied ours yet.
	history, err := w.admin.Rotations(ctx)
	if err != nil {
		return status, err
	}
	for _, r := range history.Rotations {
		if r.Order != nil && r.Order.Digest == w.digest {
			r.Version = status.Version
			return r, nil
		}
	}
	return status, &client.Error{Code: client.CodeNotReady, Message: "the node does not know order " + ShortDigest(w.digest) + " yet"}
}

// passing tells whether asking again may help.
func passing(err error) bool {
	var unreachable *client.UnreachableError
	if errors.As(err, &unreachable) {
		return !errors.Is(err, client.ErrCertificateRefused)
	}
	for _, code := range []client.Code{client.CodeNotReady, client.CodeNoLeader, client.CodeTimeout, client.CodeUnitUnreachable, client.CodeOutcomeUnknown} {
		if client.HasCode(err, code) {
			return true
		}
	}
	return errors.Is(err, io.ErrUnexpectedEOF)
}

// Ended prints what a rotation came to; one that is cancelled or blocked is a failure.
func (i *Ceremony) Ended(s client.RotationStatus) error {
	switch {
	case s.State == client.StateComplete:
		return i.Result(s, func(w io.Writer) {
			command.Line(w, saidComplete)
			ShowFenced(w, s)
			showRate(w, s)
			command.Line(w, "OK")
		})
	case held(s):
		return i.Result(s, func(w io.Writer) {
			command.Line(w, "The rotation is held before activation: `tumbler tke rotation activate` goes on, `tumbler tke rotation cancel` takes it back.")
			command.Line(w, "OK")
		})
	case s.State == client.StateBlocked:
		var list strings.Builder
		ShowBlocked(&list, s.Blocked)
		return fmt.Errorf("the rotation is blocked: no unit opens %s: start a unit that is silent and may open them, "+
			"set them aside with `tumbler tke rotation settle`, or cancel with `tumbler tke rotation cancel`\n%s", command.Plural(len(s.Blocked), "blob"), list.String())
	case s.State == client.StateCancelled:
		return errors.New("the rotation was cancelled: the current master key stays, and no key changed")
	}
	return i.Result(s, func(w io.Writer) { command.Line(w, "The rotation is %s.", s.State) })
}

// ShowFenced warns of units that did not answer.
func ShowFenced(w io.Writer, s client.RotationStatus) {
	if len(s.Fenced) > 0 {
		command.Line(w, "==> WARNING: crypto unit %s did not answer and is fenced: it converges before it serves. <==", command.Numbers(s.Fenced))
	}
}

func showRate(w io.Writer, s client.RotationStatus) {
	if s.Order.Kind == "rotate" {
		command.Line(w, "%s rewrapped and verified in %.1f seconds; verification pattern %s", command.Plural(s.Keys.Total, "key"), s.Seconds, s.PatternAfter)
	}
}

// ShortDigest gives enough of a digest to recognise it.
func ShortDigest(digest string) string {
	if len(digest) <= 16 {
		return digest
	}
	return strings.ToLower(digest[:16]) + "..."
}

// ShowBlocked lists blobs that no unit opens.
func ShowBlocked(w io.Writer, blobs []client.BlockedBlob) {
	t := command.NewTable("NUMBER", "KEY", "CRYPTO UNITS")
	for _, b := range blobs {
		t.Row(b.Number, command.Dash(b.Key), command.Numbers(b.Units))
	}
	t.Print(w)
}
