package ceremony

import (
	"fmt"
	"io"
	"strings"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cryptounit/order"
)

// Progress shows a rotation while it goes on.
type Progress interface {
	Show(client.RotationStatus)
	Say(format string, args ...any) // a line, between or above what is shown
	Stop()                          // nothing is shown after it
}

// Progress gives bars on a terminal, lines elsewhere, and nothing with --output json.
func (i *Ceremony) Progress() Progress {
	if i.JSON {
		return Silence{}
	}
	if _, ok := command.Terminal(i.Streams.Out); ok && i.Streams.Env("TERM") != "dumb" {
		return newBars(i.Streams.Out)
	}
	return &lines{w: i.Streams.Out}
}

// Silence is progress that shows nothing.
type Silence struct{}

func (Silence) Show(client.RotationStatus) {}
func (Silence) Say(string, ...any)         {}
func (Silence) Stop()                      {}

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

func (l *lines) Show(s client.RotationStatus) {
	if s.State != l.state {
		l.state = s.State
		if w := stepWords(s); w != "" {
			command.Line(l.w, "%s", w)
		}
	}
	if s.State != client.StateRewrapping && s.State != client.StateVerifying {
		return
	}
	if tenth := int(s.Keys.Percent / 10); tenth > l.tenth {
		l.tenth = tenth
		command.Line(l.w, "%3.0f%%   rewrapped %s of %s, verified %s, %s keys/s", s.Keys.Percent,
			command.Thousands(s.Keys.Rewrapped), command.Plural(s.Keys.Total, "key"), command.Thousands(s.Keys.Verified), command.Thousands(uint64(s.Keys.KeysPerSecond)))
	}
}

func (l *lines) Say(format string, args ...any) { command.Line(l.w, format, args...) }
func (l *lines) Stop()                          {}

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

func (b *bars) Show(s client.RotationStatus) {
	if s.State != b.state {
		b.state = s.State
		if w := stepWords(s); w != "" {
			b.Say("%s", w)
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
			return fmt.Sprintf("%s of %s", command.Thousands(uint64(max(s.Current, 0))), command.Plural(uint64(max(s.Total, 0)), "key"))
		})))
	bar.SetTotal(int64(keys.Total), false)
	return bar
}

func move(bar *mpb.Bar, done uint64, keys client.KeyProgress) {
	bar.SetCurrent(int64(min(done, keys.Total)))
}

// Say writes above the bars.
func (b *bars) Say(format string, args ...any) {
	_, _ = io.WriteString(b.p, strings.TrimRight(fmt.Sprintf(format, args...), "\n")+"\n")
}

func (b *bars) Stop() {
	for _, bar := range []*mpb.Bar{b.rewrapped, b.verified} {
		if bar != nil {
			bar.SetTotal(-1, true) // it ends where it is
		}
	}
	b.p.Wait()
}

// PaceWords says how fast a rotation may go.
func PaceWords(p *client.Pace) string {
	switch {
	case p == nil:
		return "Rewrapping goes as fast as it can."
	case p.Paused && p.KeysPerSecond > 0:
		return fmt.Sprintf("Rewrapping is paused by %s; then it is limited to %s keys/s.", p.By, command.Thousands(p.KeysPerSecond))
	case p.Paused:
		return fmt.Sprintf("Rewrapping is paused by %s.", p.By)
	case p.KeysPerSecond > 0:
		return fmt.Sprintf("Rewrapping is limited to %s keys/s by %s.", command.Thousands(p.KeysPerSecond), p.By)
	}
	return "Rewrapping goes as fast as it can."
}
