package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
)

// progress shows a rotation while it goes on.
type progress interface {
	show(client.RotationStatus)
	say(format string, args ...any) // a line, between or above what is shown
	stop()                          // nothing is shown after it
}

// progress gives bars on a terminal, lines elsewhere, and nothing with --output json.
func (i *invocation) progress() progress {
	if i.json {
		return silence{}
	}
	if _, ok := terminal(i.s.Out); ok && i.s.Env("TERM") != "dumb" {
		return newBars(i.s.Out)
	}
	return &lines{w: i.s.Out}
}

type silence struct{}

func (silence) show(client.RotationStatus) {}
func (silence) say(string, ...any)         {}
func (silence) stop()                      {}

// stepWords says what a state does, for people. A state of a later version is shown by its name.
func stepWords(s client.RotationStatus) string {
	if s.Order != nil && s.Order.Kind == order.Recover.String() {
		return map[string]string{
			client.StatePreparing:  "Preparing the crypto units....",
			client.StateGenerating: fmt.Sprintf("Sealing the master key value in crypto unit %d....", s.Order.Source),
			client.StateLoading:    "Transferring the master key value....",
			client.StateCommitting: "Committing the new master key registers....",
			client.StateActivating: "Activating the master key....",
			client.StateCancelling: "Cancelling....",
		}[s.State]
	}
	words := map[string]string{
		client.StatePreparing:  "Preparing every crypto unit....",
		client.StateGenerating: "Generating a random master key value....",
		client.StateLoading:    "Transferring the master key value to the other crypto units....",
		client.StateCommitting: "Committing the new master key registers....",
		client.StateRewrapping: "Rewrapping key storage....",
		client.StateVerifying:  "Verifying the rewrapped keys....",
		client.StateActivating: "Activating the new master key....",
		client.StateCancelling: "Cancelling....",
	}
	if s.Order != nil && s.Order.KeyParts > 0 && s.State == client.StateLoading {
		return "Waiting for key parts...."
	}
	return words[s.State]
}

// lines is progress where nothing can be drawn over: a line a state, and one every tenth of the rewrap.
type lines struct {
	w     io.Writer
	state string
	tenth int
}

func (l *lines) show(s client.RotationStatus) {
	if s.State != l.state {
		l.state = s.State
		if w := stepWords(s); w != "" {
			line(l.w, "%s", w)
		}
	}
	if s.State != client.StateRewrapping && s.State != client.StateVerifying {
		return
	}
	if tenth := int(s.Keys.Percent / 10); tenth > l.tenth {
		l.tenth = tenth
		line(l.w, "%3.0f%%   rewrapped %s of %s, verified %s, %s keys/s", s.Keys.Percent,
			thousands(s.Keys.Rewrapped), plural(s.Keys.Total, "key"), thousands(s.Keys.Verified), thousands(uint64(s.Keys.KeysPerSecond)))
	}
}

func (l *lines) say(format string, args ...any) { line(l.w, format, args...) }
func (l *lines) stop()                          {}

// bars is progress on a terminal: one bar for the rewrap and one for its verification, under the lines said so far.
type bars struct {
	p         *mpb.Progress
	state     string
	rewrapped *mpb.Bar
	verified  *mpb.Bar
}

func newBars(w io.Writer) *bars {
	return &bars{p: mpb.New(mpb.WithOutput(w), mpb.WithWidth(60), mpb.WithAutoRefresh())}
}

func (b *bars) show(s client.RotationStatus) {
	if s.State != b.state {
		b.state = s.State
		if w := stepWords(s); w != "" {
			b.say("%s", w)
		}
	}
	if s.Keys.Highest == 0 || s.Keys.Total == 0 {
		return
	}
	if b.rewrapped == nil {
		b.rewrapped = b.add("Rewrapped", s.Keys, 0)
		b.verified = b.add("Verified ", s.Keys, 1)
	}
	move(b.rewrapped, s.Keys.Rewrapped, s.Keys)
	move(b.verified, s.Keys.Verified, s.Keys)
}

// add makes a bar. The library would end a bar that is made with a total when it reaches that; but a partition that is
// reset takes it back, so the total is set afterwards and stop alone ends it.
func (b *bars) add(name string, keys client.KeyProgress, priority int) *mpb.Bar {
	bar := b.p.New(0, mpb.BarStyle(), mpb.BarPriority(priority),
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR), decor.Percentage(decor.WCSyncSpace)),
		mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
			return fmt.Sprintf("%s of %s", thousands(uint64(max(s.Current, 0))), plural(uint64(max(s.Total, 0)), "key"))
		})))
	bar.SetTotal(int64(keys.Total), false)
	return bar
}

func move(bar *mpb.Bar, done uint64, keys client.KeyProgress) {
	bar.SetCurrent(int64(min(done, keys.Total)))
}

// say writes above the bars.
func (b *bars) say(format string, args ...any) {
	_, _ = io.WriteString(b.p, strings.TrimRight(fmt.Sprintf(format, args...), "\n")+"\n")
}

func (b *bars) stop() {
	for _, bar := range []*mpb.Bar{b.rewrapped, b.verified} {
		if bar != nil {
			bar.SetTotal(-1, true) // it ends where it is
		}
	}
	b.p.Wait()
}

// working shows that something goes on whose end is not known: a line, and on a terminal one that moves.
func (i *invocation) working(what string) (stop func()) {
	if _, ok := terminal(i.s.Out); !ok || i.json || i.s.Env("TERM") == "dumb" {
		i.say("%s", what)
		return func() {}
	}
	p := mpb.New(mpb.WithOutput(i.s.Out), mpb.WithAutoRefresh())
	spinner := p.AddSpinner(0, mpb.BarRemoveOnComplete(), mpb.BarWidth(1),
		mpb.PrependDecorators(decor.Name(what+" ")), mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)))
	return func() {
		spinner.SetTotal(-1, true)
		p.Wait()
	}
}
