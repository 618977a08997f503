package cluster

import (
	"context"
	"io"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
)

// Command is `tumbler cluster`.
func Command(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "cluster",
		Usage: "make a cluster of nodes, and look at it",
		Subcommands: []*urfave.Command{
			{
				Name:  "bootstrap",
				Usage: "make the node at --address the first member of a new cluster",
				Description: "It also makes the first API key, of role Manager, whose secret is shown this once only.\n\n" +
					"Example:\n   tumbler cluster bootstrap --address localhost:8443 --api-key-out manager.key",
				Flags:  command.AdminFlags(command.TextFlag("api-key-out", "write the API key's secret to a new `FILE` (mode 0600) rather than show it")),
				Action: action(s, clusterBootstrap),
			},
			{
				Name:        "members",
				Usage:       "list the members",
				Description: "Example:\n   tumbler cluster members",
				Flags:       command.AdminFlags(),
				Action:      action(s, clusterMembers),
			},
			{
				Name:        "status",
				Usage:       "show what a node knows of itself, of the cluster and of a rotation under way",
				Description: "Example:\n   tumbler cluster status --address localhost:8453",
				Flags:       command.AdminFlags(),
				Action:      action(s, clusterStatus),
			},
			{
				Name:  "join",
				Usage: "have the node at --address join a cluster",
				Description: "The token comes from `cluster token create`. It gives membership, never a key: those come with an order.\n\n" +
					"Example:\n   TUMBLER_JOIN_TOKEN=... tumbler cluster join --address localhost:8453 --member localhost:8444",
				Flags: command.AdminFlags(command.TextFlag("member", "Raft and RPC `ADDRESS` of any member (its API port + 1 by default)"),
					command.TextFlag("token-file", "`FILE` with the join token [$TUMBLER_JOIN_TOKEN holds the token itself]")),
				Action: action(s, clusterJoin),
			},
			{
				Name:        "leave",
				Usage:       "have the node at --address leave the cluster, or take a dead one out with --number",
				Description: "Example:\n   tumbler cluster leave --number 3 --yes",
				Flags:       command.AdminFlags(command.TextFlag("number", "take out the member with this `NUMBER`, through any node"), command.YesFlag("the node leaves")),
				Action:      action(s, clusterLeave),
			},
			{
				Name:        "transfer-leader",
				Usage:       "hand leadership to another member",
				Description: "Example:\n   tumbler cluster transfer-leader --to 2",
				Flags:       command.AdminFlags(command.TextFlag("to", "`NUMBER` of the member; else the one that is most up to date")),
				Action:      action(s, clusterTransfer),
			},
			{
				Name:  "digest",
				Usage: "compare the replicated state of all nodes at one index",
				Description: "A node whose state differs from that of more than half of the members compares for itself and stops.\n\n" +
					"Example:\n   tumbler cluster digest --output json",
				Flags:  command.AdminFlags(),
				Action: action(s, clusterDigest),
			},
			snapshotCommands(s),
			tokenCommands(s),
			{
				Name:        "log",
				Usage:       "look at the log",
				Subcommands: []*urfave.Command{logDumpCommand(s)},
			},
		},
	}
}

func clusterBootstrap(ctx context.Context, i *invocation) error {
	return i.Administration(ctx, func(admin *client.Client) error {
		out := i.Text("api-key-out", "")
		if out != "" {
			file, err := command.ReserveFile(out)
			if err != nil {
				return err
			}
			defer file.Drop()
			made, err := admin.Bootstrap(ctx)
			if err != nil {
				return err
			}
			if err := file.Keep(made.APIKey.Secret + "\n"); err != nil {
				return err
			}
			made.APIKey.Secret = ""
			return i.bootstrapped(made, out)
		}
		made, err := admin.Bootstrap(ctx)
		if err != nil {
			return err
		}
		return i.bootstrapped(made, "")
	})
}

func (i *invocation) bootstrapped(made client.Bootstrapped, file string) error {
	return i.Result(made, func(w io.Writer) {
		command.Line(w, "OK\nA cluster of one member was made.")
		command.Line(w, "Cluster:   %s\nInstance:  %s", made.Cluster, made.Instance)
		if file != "" {
			command.Line(w, "The secret of API key %s (%s) is in %s", made.APIKey.Name, made.APIKey.Role, file)
		} else {
			command.Line(w, "API key:   %s (%s), shown this once only", made.APIKey.Secret, made.APIKey.Role)
		}
		command.Line(w, "Next: `tumbler cluster token create`, then `tumbler cluster join` for each other node, then `tumbler tke auto-init`.")
	})
}

func clusterMembers(ctx context.Context, i *invocation) error {
	return i.Administration(ctx, func(admin *client.Client) error {
		members, err := admin.Members(ctx)
		if err != nil {
			return err
		}
		return i.Result(members, func(w io.Writer) {
			t := command.NewTable("NUMBER", "ADDRESS", "VOTER", "LEADER", "ALIVE", "APPLIED", "DISK FREE")
			for _, m := range members.Members {
				applied, free := "-", "-"
				if m.AppliedIndex > 0 {
					applied = command.Thousands(m.AppliedIndex)
				}
				if m.DiskFree > 0 {
					free = command.Mebibytes(m.DiskFree)
				}
				if m.DiskLow {
					free += " (LOW)"
				}
				t.Row(m.Number, m.Address, command.YesNo(m.Voter), command.YesNo(m.Leader), command.YesNo(m.Alive), applied, free)
			}
			t.Print(w)
		})
	})
}

func clusterStatus(ctx context.Context, i *invocation) error {
	return i.Administration(ctx, func(admin *client.Client) error {
		status, err := admin.Status(ctx)
		if err != nil {
			return err
		}
		return i.Result(status, func(w io.Writer) { showStatus(w, status) })
	})
}

func showStatus(w io.Writer, s client.Status) {
	n, c := s.Node, s.Cluster
	command.Line(w, "NODE %d", n.Number)
	command.Line(w, "  Role:             %s\n  Location:         %s\n  Version:          %s\n  Started:          %s", n.Role, command.Dash(n.Location), n.Version, command.When(n.StartedAt))
	ready := command.YesNo(n.Ready)
	if n.NotReady != "" {
		ready += " (" + n.NotReady + ")"
	}
	command.Line(w, "  Ready:            %s\n  Converged:        %s\n  Applied index:    %s", ready, command.YesNo(n.Converged), command.Thousands(n.AppliedIndex))
	if d := n.Disk; d.LowMark > 0 {
		command.Line(w, "  Disk:             %s free, the low mark is %s, %s in reserve", command.Mebibytes(d.Free), command.Mebibytes(d.LowMark), command.Mebibytes(d.Reserved))
	}
	command.Line(w, "CLUSTER")
	if !c.Bootstrapped {
		command.Line(w, "  The node belongs to none yet: `tumbler cluster bootstrap` or `tumbler cluster join`.")
		return
	}
	leader := "none at the moment"
	if c.Leader > 0 {
		leader = "node " + command.Thousands(uint64(c.Leader))
	}
	command.Line(w, "  Cluster:          %s\n  Incarnation:      %d\n  Instance:         %s", c.ID, c.Incarnation, c.Instance)
	command.Line(w, "  Feature level:    %d", c.FeatureLevel)
	command.Line(w, "  Leader:           %s\n  Members alive:    %d of %d", leader, c.Alive, c.Members)
	command.Line(w, "  Initialised:      %s\n  Current pattern:  %s\n  Epoch:            %d", command.YesNo(c.Initialised), command.Dash(c.CurrentPattern), c.Epoch)
	command.Line(w, "  Keys:             %s (system internal %s, KMS %s, EP11 %s)", command.Thousands(c.Blobs.Total()), command.Thousands(c.Blobs.SystemInternal), command.Thousands(c.Blobs.KMS), command.Thousands(c.Blobs.EP11))
	if len(s.Service.Refused) > 0 {
		command.Line(w, "  Refused now:      %s (%s)", strings.Join(s.Service.Refused, ", "), s.Service.Reason)
	}
	if r := s.Rotation; r != nil {
		command.Line(w, "ROTATION %d\n  State:            %s, %.0f%%\n  Waiting for:      %s", r.Number, r.State, r.Percent, command.Dash(r.Waiting))
	}
	for _, k := range s.Retired {
		command.Line(w, "RETIRED KEY\n  Pattern:          %s\n  Since:            %s", k.Pattern, command.When(k.Since))
	}
	for _, warning := range s.Warnings {
		command.Line(w, "==> WARNING: %s <==", warning)
	}
}

func clusterJoin(ctx context.Context, i *invocation) error {
	member := i.Text("member", "")
	if member == "" {
		return i.Usage("--member is missing")
	}
	token, err := i.Secret("join token", "TUMBLER_JOIN_TOKEN", "token-file")
	if err != nil {
		return err
	}
	if token == "" {
		return i.Usage("there is no join token: set TUMBLER_JOIN_TOKEN or give --token-file")
	}
	return i.Administration(ctx, func(admin *client.Client) error {
		done, err := admin.Join(ctx, member, token)
		if err != nil {
			return err
		}
		return i.Done(done, "The node has joined the cluster.")
	})
}

func clusterLeave(ctx context.Context, i *invocation) error {
	number, given, err := i.Number("number", 1, 1<<32-1)
	if err != nil {
		return err
	}
	return i.Administration(ctx, func(admin *client.Client) error {
		question := "The node at the first address leaves its cluster, and must join again before it serves. Do you want to continue?"
		if given {
			question = "Node " + command.Thousands(number) + " is taken out of the cluster. Do you want to continue?"
		}
		if yes, err := i.Confirm(question); err != nil || !yes {
			return command.Declined(err)
		}
		var done client.Done
		if given {
			done, err = admin.Remove(ctx, uint32(number))
		} else {
			done, err = admin.Leave(ctx)
		}
		if err != nil {
			return err
		}
		return i.Done(done, "The node has left the cluster.")
	})
}

func clusterTransfer(ctx context.Context, i *invocation) error {
	number, _, err := i.Number("to", 1, 1<<32-1)
	if err != nil {
		return err
	}
	return i.Administration(ctx, func(admin *client.Client) error {
		done, err := admin.TransferLeader(ctx, uint32(number))
		if err != nil {
			return err
		}
		return i.Done(done, "Leadership was transferred.")
	})
}

func clusterDigest(ctx context.Context, i *invocation) error {
	return i.Administration(ctx, func(admin *client.Client) error {
		stop := i.Working("Comparing the replicated state of every node....")
		report, err := admin.Digest(ctx)
		stop()
		if err != nil {
			return err
		}
		if !report.Agreed {
			err = &disagreement{report}
		}
		shown := i.Result(report, func(w io.Writer) {
			command.Line(w, "INDEX: %d", report.Index)
			t := command.NewTable("NUMBER", "DIGEST", "REMARK")
			for _, n := range report.Nodes {
				remark := n.Error
				switch {
				case n.Differ && n.Stopped:
					remark = "DIFFERS, STOPS"
				case n.Differ:
					remark = "DIFFERS; " + n.Error
				}
				t.Row(n.Number, command.Dash(n.Digest), command.Dash(remark))
			}
			t.Print(w)
			if report.Agreed {
				command.Line(w, "OK")
			}
		})
		if err != nil {
			return err
		}
		return shown
	})
}

// disagreement is a digest that differs: the command fails after it has shown the list.
type disagreement struct{ report client.DigestReport }

func (d *disagreement) Error() string {
	if d.report.Majority == "" {
		return "the replicated state differs between nodes, and no majority agrees: start the nodes that are down and compare again"
	}
	var nodes []string
	for _, n := range d.report.Nodes {
		if n.Differ {
			nodes = append(nodes, command.Thousands(uint64(n.Number)))
		}
	}
	return "the replicated state differs on node " + strings.Join(nodes, ", ") +
		", which stops: take it out with `tumbler cluster leave --number`, remove raft/ and state/ in its data folder, keep unit/, start it and join it again"
}
