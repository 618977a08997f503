package cli

import (
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// counter shows how far something of known length is: a bar on a terminal, a line every tenth elsewhere, and nothing with
// --output json.
type counter struct {
	i      *invocation
	what   string
	total  int
	tenth  int
	shown  *mpb.Progress
	bar    *mpb.Bar
	silent bool
}

func (i *invocation) counter(what string, total int) *counter {
	c := &counter{i: i, what: what, total: total, silent: i.json}
	if _, ok := terminal(i.s.Out); !ok || i.json || i.s.Env("TERM") == "dumb" {
		return c
	}
	c.shown = mpb.New(mpb.WithOutput(i.s.Out), mpb.WithWidth(60), mpb.WithAutoRefresh())
	c.bar = c.shown.AddBar(int64(total), mpb.PrependDecorators(decor.Name(what, decor.WCSyncSpaceR), decor.Percentage(decor.WCSyncSpace)),
		mpb.AppendDecorators(decor.CountersNoUnit("%d of %d")))
	return c
}

// show says how much is done.
func (c *counter) show(done int) {
	switch {
	case c.bar != nil:
		c.bar.SetCurrent(int64(done))
	case !c.silent && c.total > 0 && 10*done/c.total > c.tenth:
		c.tenth = 10 * done / c.total
		line(c.i.s.Out, "%3d%%   %s: %s of %s", 10*c.tenth, c.what, thousands(uint64(done)), thousands(uint64(c.total)))
	}
}

func (c *counter) stop() {
	if c.bar != nil {
		if !c.bar.Completed() {
			c.bar.Abort(false)
		}
		c.shown.Wait()
	}
}
