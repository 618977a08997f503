package cli

import (
	"context"
	"io"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
)

func clusterCommands(s Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "cluster",
		Usage: "make a cluster of nodes, and look at it",
		Subcommands: []*urfave.Command{
			{
				Name:  "bootstrap",
				Usage: "make the node at --address the first member of a new cluster",
				Description: "It also makes the first API key, of role Manager, whose secret is shown this once only.\n\n" +
					"Example:\n   tumbler cluster bootstrap --address localhost:8443 --api-key-out manager.key",
				Flags:  adminFlags(text("api-key-out", "write the API key's secret to a new `FILE` (mode 0600) rather than show it")),
				Action: action(s, clusterBootstrap),
			},
			{
				Name:        "members",
				Usage:       "list the members",
				Description: "Example:\n   tumbler cluster members",
				Flags:       adminFlags(),
				Action:      action(s, clusterMembers),
			},
			{
				Name:        "status",
				Usage:       "show what a node knows of itself, of the cluster and of a rotation under way",
				Description: "Example:\n   tumbler cluster status --address localhost:8453",
				Flags:       adminFlags(),
				Action:      action(s, clusterStatus),
			},
			{
				Name:  "join",
				Usage: "have the node at --address join a cluster",
				Description: "The token comes from `cluster token create`. It gives membership, never a key: those come with an order.\n\n" +
					"Example:\n   TUMBLER_JOIN_TOKEN=... tumbler cluster join --address localhost:8453 --member localhost:8444",
				Flags: adminFlags(text("member", "Raft and RPC `ADDRESS` of any member (its API port + 1 by default)"),
					text("token-file", "`FILE` with the join token [$TUMBLER_JOIN_TOKEN holds the token itself]")),
				Action: action(s, clusterJoin),
			},
			{
				Name:        "leave",
				Usage:       "have the node at --address leave the cluster, or take a dead one out with --number",
				Description: "Example:\n   tumbler cluster leave --number 3 --yes",
				Flags:       adminFlags(text("number", "take out the member with this `NUMBER`, through any node"), yesFlag("the node leaves")),
				Action:      action(s, clusterLeave),
			},
			{
				Name:        "transfer-leader",
				Usage:       "hand leadership to another member",
				Description: "Example:\n   tumbler cluster transfer-leader --to 2",
				Flags:       adminFlags(text("to", "`NUMBER` of the member; else the one that is most up to date")),
				Action:      action(s, clusterTransfer),
			},
			{
				Name:  "digest",
				Usage: "compare the replicated state of all nodes at one index",
				Description: "A node whose state differs from that of more than half of the members compares for itself and stops.\n\n" +
					"Example:\n   tumbler cluster digest --output json",
				Flags:  adminFlags(),
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

// administration runs a command that takes no arguments and talks to the administration interface.
func administration(ctx context.Context, i *invocation, do func(*client.Client) error) error {
	if _, err := i.arguments(); err != nil {
		return err
	}
	admin, err := i.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	return do(admin)
}

func clusterBootstrap(ctx context.Context, i *invocation) error {
	return administration(ctx, i, func(admin *client.Client) error {
		out := i.text("api-key-out", "")
		if out != "" {
			file, err := reserve(out)
			if err != nil {
				return err
			}
			defer file.drop()
			made, err := admin.Bootstrap(ctx)
			if err != nil {
				return err
			}
			if err := file.keep(made.APIKey.Secret + "\n"); err != nil {
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
	return i.result(made, func(w io.Writer) {
		line(w, "OK\nA cluster of one member was made.")
		line(w, "Cluster:   %s\nInstance:  %s", made.Cluster, made.Instance)
		if file != "" {
			line(w, "The secret of API key %s (%s) is in %s", made.APIKey.Name, made.APIKey.Role, file)
		} else {
			line(w, "API key:   %s (%s), shown this once only", made.APIKey.Secret, made.APIKey.Role)
		}
		line(w, "Next: `tumbler cluster token create`, then `tumbler cluster join` for each other node, then `tumbler tke auto-init`.")
	})
}

func clusterMembers(ctx context.Context, i *invocation) error {
	return administration(ctx, i, func(admin *client.Client) error {
		members, err := admin.Members(ctx)
		if err != nil {
			return err
		}
		return i.result(members, func(w io.Writer) {
			t := newTable("NUMBER", "ADDRESS", "VOTER", "LEADER", "ALIVE", "APPLIED", "DISK FREE")
			for _, m := range members.Members {
				applied, free := "-", "-"
				if m.AppliedIndex > 0 {
					applied = thousands(m.AppliedIndex)
				}
				if m.DiskFree > 0 {
					free = mebibytes(m.DiskFree)
				}
				if m.DiskLow {
					free += " (LOW)"
				}
				t.row(m.Number, m.Address, yesNo(m.Voter), yesNo(m.Leader), yesNo(m.Alive), applied, free)
			}
			t.print(w)
		})
	})
}

func clusterStatus(ctx context.Context, i *invocation) error {
	return administration(ctx, i, func(admin *client.Client) error {
		status, err := admin.Status(ctx)
		if err != nil {
			return err
		}
		return i.result(status, func(w io.Writer) { showStatus(w, status) })
	})
}

func showStatus(w io.Writer, s client.Status) {
	n, c := s.Node, s.Cluster
	line(w, "NODE %d", n.Number)
	line(w, "  Role:             %s\n  Location:         %s\n  Version:          %s\n  Started:          %s", n.Role, dash(n.Location), n.Version, when(n.StartedAt))
	ready := yesNo(n.Ready)
	if n.NotReady != "" {
		ready += " (" + n.NotReady + ")"
	}
	line(w, "  Ready:            %s\n  Converged:        %s\n  Applied index:    %s", ready, yesNo(n.Converged), thousands(n.AppliedIndex))
	if d := n.Disk; d.LowMark > 0 {
		line(w, "  Disk:             %s free, the low mark is %s, %s in reserve", mebibytes(d.Free), mebibytes(d.LowMark), mebibytes(d.Reserved))
	}
	line(w, "CLUSTER")
	if !c.Bootstrapped {
		line(w, "  The node belongs to none yet: `tumbler cluster bootstrap` or `tumbler cluster join`.")
		return
	}
	leader := "none at the moment"
	if c.Leader > 0 {
		leader = "node " + thousands(uint64(c.Leader))
	}
	line(w, "  Cluster:          %s\n  Incarnation:      %d\n  Instance:         %s", c.ID, c.Incarnation, c.Instance)
	line(w, "  Feature level:    %d", c.FeatureLevel)
	line(w, "  Leader:           %s\n  Members alive:    %d of %d", leader, c.Alive, c.Members)
	line(w, "  Initialised:      %s\n  Current pattern:  %s\n  Epoch:            %d", yesNo(c.Initialised), dash(c.CurrentPattern), c.Epoch)
	line(w, "  Keys:             %s (system internal %s, KMS %s, EP11 %s)", thousands(c.Blobs.Total()), thousands(c.Blobs.SystemInternal), thousands(c.Blobs.KMS), thousands(c.Blobs.EP11))
	if len(s.Service.Refused) > 0 {
		line(w, "  Refused now:      %s (%s)", strings.Join(s.Service.Refused, ", "), s.Service.Reason)
	}
	if r := s.Rotation; r != nil {
		line(w, "ROTATION %d\n  State:            %s, %.0f%%\n  Waiting for:      %s", r.Number, r.State, r.Percent, dash(r.Waiting))
	}
	for _, k := range s.Retired {
		line(w, "RETIRED KEY\n  Pattern:          %s\n  Since:            %s", k.Pattern, when(k.Since))
	}
	for _, warning := range s.Warnings {
		line(w, "==> WARNING: %s <==", warning)
	}
}

func clusterJoin(ctx context.Context, i *invocation) error {
	member := i.text("member", "")
	if member == "" {
		return i.usage("--member is missing")
	}
	token, err := i.secret("join token", "TUMBLER_JOIN_TOKEN", "token-file")
	if err != nil {
		return err
	}
	if token == "" {
		return i.usage("there is no join token: set TUMBLER_JOIN_TOKEN or give --token-file")
	}
	return administration(ctx, i, func(admin *client.Client) error {
		done, err := admin.Join(ctx, member, token)
		if err != nil {
			return err
		}
		return i.done(done, "The node has joined the cluster.")
	})
}

func clusterLeave(ctx context.Context, i *invocation) error {
	number, given, err := i.number("number", 1, 1<<32-1)
	if err != nil {
		return err
	}
	return administration(ctx, i, func(admin *client.Client) error {
		question := "The node at the first address leaves its cluster, and must join again before it serves. Do you want to continue?"
		if given {
			question = "Node " + thousands(number) + " is taken out of the cluster. Do you want to continue?"
		}
		if yes, err := i.confirm(question); err != nil || !yes {
			return declined(err)
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
		return i.done(done, "The node has left the cluster.")
	})
}

func clusterTransfer(ctx context.Context, i *invocation) error {
	number, _, err := i.number("to", 1, 1<<32-1)
	if err != nil {
		return err
	}
	return administration(ctx, i, func(admin *client.Client) error {
		done, err := admin.TransferLeader(ctx, uint32(number))
		if err != nil {
			return err
		}
		return i.done(done, "Leadership was transferred.")
	})
}

func clusterDigest(ctx context.Context, i *invocation) error {
	return administration(ctx, i, func(admin *client.Client) error {
		stop := i.working("Comparing the replicated state of every node....")
		report, err := admin.Digest(ctx)
		stop()
		if err != nil {
			return err
		}
		if !report.Agreed {
			err = &disagreement{report}
		}
		shown := i.result(report, func(w io.Writer) {
			line(w, "INDEX: %d", report.Index)
			t := newTable("NUMBER", "DIGEST", "REMARK")
			for _, n := range report.Nodes {
				remark := n.Error
				switch {
				case n.Differ && n.Stopped:
					remark = "DIFFERS, STOPS"
				case n.Differ:
					remark = "DIFFERS; " + n.Error
				}
				t.row(n.Number, dash(n.Digest), dash(remark))
			}
			t.print(w)
			if report.Agreed {
				line(w, "OK")
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
			nodes = append(nodes, thousands(uint64(n.Number)))
		}
	}
	return "the replicated state differs on node " + strings.Join(nodes, ", ") +
		", which stops: take it out with `tumbler cluster leave --number`, remove raft/ and state/ in its data folder, keep unit/, start it and join it again"
}
