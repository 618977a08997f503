package rotation

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/document"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// receiptBlock is the type of the PEM block that a receipt is printed as.
const receiptBlock = "TUMBLER RECEIPT"

// maxReceipt bounds a receipt's file: the DER's limit, as PEM.
const maxReceipt = 2 * order.MaxEncoded

func rotationReceipt(ctx context.Context, i *invocation) error {
	args, err := i.Arguments("[DIGEST]")
	if err != nil {
		return err
	}
	if path := i.Text("verify", ""); path != "" {
		if args[0] != "" || i.Text("out", "") != "" {
			return i.Usage("--verify takes neither a digest nor --out")
		}
		return i.verifyReceipt(path)
	}
	if i.Text("administrators", "") != "" {
		return i.Usage("--administrators goes with --verify")
	}
	admin, err := i.Admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	digest := args[0]
	if digest == "" {
		status, err := admin.Rotation(ctx)
		if err != nil {
			return err
		}
		if status.Order == nil {
			return errors.New("there was no rotation yet, and there is no receipt")
		}
		digest = status.Order.Digest
	}
	receipt, err := admin.Receipt(ctx, digest)
	if err != nil {
		return err
	}
	return i.printReceipt(receipt)
}

func (i *invocation) printReceipt(receipt client.Receipt) error {
	path := i.Text("out", "")
	if path == "" {
		return i.Result(receipt, func(w io.Writer) {
			_ = pem.Encode(w, &pem.Block{Type: receiptBlock, Headers: map[string]string{"Order": receipt.Digest, "State": receipt.State}, Bytes: receipt.Receipt})
		})
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(receipt.Receipt)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return i.Done(map[string]string{"digest": receipt.Digest, "state": receipt.State, "file": path},
		fmt.Sprintf("The receipt of order %s (%s) is in %s", ceremony.ShortDigest(receipt.Digest), receipt.State, path))
}

// checkedReceipt is what a receipt proves.
type checkedReceipt struct {
	Valid      bool         `json:"valid"`
	Digest     string       `json:"digest"`
	Number     uint64       `json:"number"`
	Kind       string       `json:"kind"`
	Instance   string       `json:"instance"`
	Outcome    string       `json:"outcome"` // complete, cancelled, or what is missing
	Before     string       `json:"pattern_before,omitempty"`
	After      string       `json:"pattern_after,omitempty"`
	Census     order.Counts `json:"census"` // system internal, KMS, EP11
	Settled    order.Counts `json:"settled"`
	Partitions uint32       `json:"partitions"`
	Statements int          `json:"statements"`
	KeyParts   uint32       `json:"key_parts,omitempty"`
	Suite      string       `json:"suite,omitempty"` // how they travelled
	Signed     []signedStep `json:"signed"`
	Silent     []uint32     `json:"silent"` // units that have not yet said that they dropped the old key (or, cancelled, the new one)
}

// signedStep says who signed the order, or a step of it: names of the list that is trusted.
type signedStep struct {
	Step    string   `json:"step"` // order, commit, activate, set-immediate, cancel, settle
	Pattern string   `json:"pattern,omitempty"`
	By      []string `json:"by"`
}

// verifyReceipt checks a receipt without a cluster. It trusts the administrators in the file that is named, or that this
// workstation wrote when it installed them: never those in the receipt.
func (i *invocation) verifyReceipt(path string) error {
	evidence, err := readReceipt(path)
	if err != nil {
		return err
	}
	claimed, err := evidence.Order.Decode()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	trusted := i.Text("administrators", "")
	if trusted == "" {
		folder, err := i.Folder()
		if err != nil {
			return fmt.Errorf("name the administrators that you trust with --administrators FILE (%w)", err)
		}
		trusted = folder.AdministratorsFile(claimed.Instance)
	}
	list, err := workstation.ReadAdministrators(trusted)
	if err != nil {
		return err
	}
	record, err := evidence.Verify(list)
	if err != nil {
		return fmt.Errorf("the receipt is not valid: %w", err)
	}
	checked, err := checkRecord(record)
	if err == nil {
		checked.Signed, err = whoSigned(evidence, list)
	}
	if err != nil {
		if errors.Is(err, order.ErrMissing) {
			return fmt.Errorf("the receipt is not complete: %w: take it again when the rotation has ended", err)
		}
		return fmt.Errorf("the receipt is not valid: %w", err)
	}
	return i.Result(checked, func(w io.Writer) { showReceipt(w, checked, trusted) })
}

func readReceipt(path string) (*order.Evidence, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxReceipt))
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(data); block != nil && block.Type == receiptBlock {
		data = block.Bytes
	}
	evidence, err := order.DecodeEvidence(data)
	if err != nil {
		return nil, fmt.Errorf("%s is not a receipt: %w", path, err)
	}
	return evidence, nil
}

// whoSigned reads whose signatures the evidence has. All of them were verified.
func whoSigned(e *order.Evidence, list *order.Administrators) ([]signedStep, error) {
	var steps []signedStep
	var failed error
	add := func(step, pattern string, by []order.Administrator, err error) {
		failed = errors.Join(failed, err)
		names := []string{}
		for _, a := range by {
			names = append(names, a.Name)
		}
		steps = append(steps, signedStep{step, pattern, names})
	}
	by, err := e.Order.Signers(list)
	add("order", "", by, err)
	for n := range e.Approvals {
		a, err := order.DecodeApproval(e.Approvals[n].Approval)
		if err != nil {
			return nil, err
		}
		by, err := e.Approvals[n].Signers(list)
		add(a.Step.String(), ceremony.PatternText(a.Pattern), by, err)
	}
	for n := range e.Settles {
		by, err := e.Settles[n].Signers(list)
		add(order.Settle.String(), "", by, err)
	}
	if e.Cancel != nil {
		by, err := e.Cancel.Signers(list)
		add(order.Cancel.String(), "", by, err)
	}
	return steps, failed
}

// taken are the steps that an order went through to its end, each with the units that took it. With key parts the quorum's
// signature over the pattern is among what the commit needs.
func taken(r *order.Record) map[order.Step][]uint32 {
	if r.Cancel != nil {
		return map[order.Step][]uint32{order.StepClear: r.Order.Targets()}
	}
	steps := map[order.Step][]uint32{order.StepLoad: r.Order.Loaders(), order.StepCommit: r.Order.Targets(), order.StepActivate: r.Order.Targets()}
	if r.Order.Generator != 0 {
		steps[order.StepGenerate] = []uint32{r.Order.Generator}
	}
	if r.Order.Kind == order.Rotate {
		steps[order.StepRewrap] = r.Order.Targets()
	}
	if r.Order.Kind == order.Init && r.Order.Parts > 0 && r.Approved(order.StepActivate) == nil {
		delete(steps, order.StepActivate)
		steps[order.StepSetImmediate] = r.Order.Targets()
	}
	return steps
}

// checkRecord asks of verified evidence what every unit asked of it before each of its steps; the same function answers. What
// it lacks makes it invalid.
func checkRecord(r *order.Record) (checkedReceipt, error) {
	checked := checkedReceipt{Valid: true, Digest: r.Digest.String(), Number: r.Order.Number, Kind: r.Order.Kind.String(), Instance: r.Order.Instance.String(),
		Before: ceremony.PatternText(r.Order.Current), Census: r.Census, Settled: r.Settled, Statements: len(r.Statements), Silent: []uint32{}}
	if checked.KeyParts = r.Order.Parts; checked.KeyParts > 0 {
		checked.Suite = r.Order.Suite.String()
	}
	last := order.Activated
	checked.Outcome = "complete"
	if r.Cancel != nil {
		last = order.Cleared
		checked.Outcome = "cancelled"
	} else {
		pattern, err := r.Pattern()
		if err != nil {
			return checked, err
		}
		checked.After = ceremony.PatternText(pattern)
		if r.Order.Kind == order.Rotate {
			checked.Partitions = order.Partitions(r.Last)
		}
	}
	steps := taken(r)
	for _, step := range slices.Sorted(maps.Keys(steps)) {
		for _, unit := range steps[step] {
			if err := order.Needs(step, unit, r); err != nil {
				return checked, err
			}
		}
	}
	for _, unit := range r.Order.Targets() {
		switch said := r.Said(last, unit); {
		case said == nil:
			checked.Silent = append(checked.Silent, unit)
		case ceremony.PatternText(said.Pattern) != checked.After:
			return checked, fmt.Errorf("crypto unit %d activated another master key, %s", unit, ceremony.PatternText(said.Pattern))
		}
	}
	if len(checked.Silent) > 0 {
		checked.Outcome += ", and not every unit has said so"
	}
	return checked, nil
}

func showReceipt(w io.Writer, c checkedReceipt, trusted string) {
	command.Line(w, "OK\nThe receipt is valid, by the administrators in %s", trusted)
	command.Line(w, "  Order:            %d (%s), %s", c.Number, c.Kind, c.Digest)
	command.Line(w, "  Instance:         %s\n  Outcome:          %s", c.Instance, c.Outcome)
	command.Line(w, "  Pattern before:   %s\n  Pattern after:    %s", command.Dash(c.Before), command.Dash(c.After))
	if c.KeyParts > 0 {
		command.Line(w, "  Key parts:        %d, sealed by %s", c.KeyParts, document.SuiteWords(c.Suite))
	}
	if c.Partitions > 0 {
		command.Line(w, "  Keys:             %s, each verified by a unit that did not rewrap it, in %s", command.Thousands(c.Census.Total()-c.Settled.Total()), command.Plural(c.Partitions, "partition"))
	}
	if n := c.Settled.Total(); n > 0 {
		command.Line(w, "  Set aside:        %s", command.Thousands(n))
	}
	command.Line(w, "  Statements:       %d, signed by the units that the order names", c.Statements)
	for _, s := range c.Signed {
		command.Line(w, "  Signed:           %s, by %s", s.Step, strings.Join(s.By, ", "))
	}
	what := "the old key"
	if c.After == "" {
		what = "the new key"
	}
	if len(c.Silent) > 0 {
		command.Line(w, "==> WARNING: crypto unit %s has not yet said that it dropped %s. <==", command.Numbers(c.Silent), what)
	}
}
