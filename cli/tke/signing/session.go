package signing

import (
	"context"
	"errors"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/card"
	"tumbler/cli/command"
)

// Session is a command that may sign: it keeps what was opened for that, so that nothing is asked for twice.
type Session struct {
	*command.Invocation
	// service holds the keys of a signing service, once they were asked for.
	service *serviceKeys
	readers card.Readers // of smart cards; nil until one is asked for
}

// Action makes a command's action of a function over a session.
func Action(s command.Streams, do func(context.Context, *Session) error) urfave.ActionFunc {
	return command.Action(s, func(ctx context.Context, i *command.Invocation) (err error) {
		session := &Session{Invocation: i}
		defer func() { err = errors.Join(err, session.close()) }()
		return do(ctx, session)
	})
}

// close ends what a command opened.
func (i *Session) close() error {
	if i.readers == nil {
		return nil
	}
	return i.readers.Close()
}
