package command

import (
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Counter shows how far something of known length is: a bar on a terminal, a line every tenth elsewhere, and nothing with
// --output json.
// Counter begins to show how much of a total is done.
type Counter struct {
	i      *Invocation
	what   string
	total  int
	tenth  int
	shown  *mpb.Progress
	bar    *mpb.Bar
	silent bool
}

func (i *Invocation) Counter(what string, total int) *Counter {
	c := &Counter{i: i, what: what, total: total, silent: i.JSON}
	if _, ok := Terminal(i.Streams.Out); !ok || i.JSON || i.Streams.Env("TERM") == "dumb" {
		return c
	}
	c.shown = mpb.New(mpb.WithOutput(i.Streams.Out), mpb.WithWidth(60), mpb.WithAutoRefresh())
	c.bar = c.shown.AddBar(int64(total), mpb.PrependDecorators(decor.Name(what, decor.WCSyncSpaceR), decor.Percentage(decor.WCSyncSpace)),
		mpb.AppendDecorators(decor.CountersNoUnit("%d of %d")))
	return c
}

// Show says how much is done.
func (c *Counter) Show(done int) {
	switch {
	case c.bar != nil:
		c.bar.SetCurrent(int64(done))
	case !c.silent && c.total > 0 && 10*done/c.total > c.tenth:
		c.tenth = 10 * done / c.total
		Line(c.i.Streams.Out, "%3d%%   %s: %s of %s", 10*c.tenth, c.what, Thousands(uint64(done)), Thousands(uint64(c.total)))
	}
}

// Stop ends what is shown.
func (c *Counter) Stop() {
	if c.bar != nil {
		if !c.bar.Completed() {
			c.bar.Abort(false)
		}
		c.shown.Wait()
	}
}

// Working shows that something goes on whose end is not known: a line, and on a terminal one that moves.
func (i *Invocation) Working(what string) (stop func()) {
	if _, ok := Terminal(i.Streams.Out); !ok || i.JSON || i.Streams.Env("TERM") == "dumb" {
		i.Say("%s", what)
		return func() {}
	}
	p := mpb.New(mpb.WithOutput(i.Streams.Out), mpb.WithAutoRefresh())
	spinner := p.AddSpinner(0, mpb.BarRemoveOnComplete(), mpb.BarWidth(1),
		mpb.PrependDecorators(decor.Name(what+" ")), mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)))
	return func() {
		spinner.SetTotal(-1, true)
		p.Wait()
	}
}
