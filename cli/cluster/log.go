package cluster

import (
	"context"
	"encoding/json"
	"io"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
)

func logDumpCommand(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "dump",
		Usage: "print entries of the first address's Raft log, one JSON object a line",
		Description: "With --output json the entries are one JSON array.\n\n" +
			"Example:\n   tumbler cluster log dump --from 120 --limit 10",
		Flags: command.AdminFlags(command.TextFlag("from", "first `INDEX`; else the log's first"), command.TextFlag("limit", "at most this `NUMBER` of entries; else all")),
		Action: action(s, func(ctx context.Context, i *invocation) error {
			from, _, err := i.Number("from", 1, 1<<63)
			if err != nil {
				return err
			}
			limit, limited, err := i.Number("limit", 1, 1<<31)
			if err != nil {
				return err
			}
			return i.Administration(ctx, func(admin *client.Client) error {
				return i.dumpLog(ctx, admin, from, limit, limited)
			})
		}),
	}
}

// logPage is how many entries are asked for at once.
const logPage = 500

func (i *invocation) dumpLog(ctx context.Context, admin *client.Client, from, limit uint64, limited bool) error {
	encoder := json.NewEncoder(i.Streams.Out)
	entries := []client.LogEntry{}
	for left := limit; !limited || left > 0; {
		page := uint64(logPage)
		if limited {
			page = min(page, left)
		}
		log, err := admin.Log(ctx, from, int(page))
		if err != nil {
			return err
		}
		for _, e := range log.Entries {
			if i.JSON {
				entries = append(entries, e)
			} else if err := encoder.Encode(e); err != nil {
				return err
			}
		}
		left -= min(left, uint64(len(log.Entries)))
		if log.Next == 0 || len(log.Entries) == 0 {
			break
		}
		from = log.Next
	}
	return i.Result(entries, func(io.Writer) {})
}
