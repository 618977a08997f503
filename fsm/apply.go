package fsm

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hashicorp/raft"

	"tumbler/holdpoint"
)

// Apply implements raft.FSM: ApplyBatch of one entry.
func (s *Store) Apply(log *raft.Log) any { return s.ApplyBatch([]*raft.Log{log})[0] }

// ApplyBatch applies committed entries in order and answers each command with an encoded Result, or with an error, after
// which this node can no longer follow the log. The answer to an entry that the store holds already is empty.
func (s *Store) ApplyBatch(logs []*raft.Log) []any {
	answers := make([]any, len(logs))
	if err := s.stoppedBy(); err != nil {
		return fill(answers, err)
	}
	b := s.db.NewIndexedBatch()
	for i, log := range logs {
		if log.Type != raft.LogCommand {
			continue
		}
		if log.Index <= s.applied {
			answers[i] = []byte(nil) // an answer, for nobody: Raft repeats it after a start
			continue
		}
		answer, again, err := s.applyOne(b, log)
		b = again
		if err != nil {
			err = s.fail(fmt.Errorf("entry %d: %w", log.Index, err))
			return fill(answers[i:], err)
		}
		answers[i] = answer
	}
	if err := s.settle(b); err != nil {
		return fill(answers, s.fail(err))
	}
	return answers
}

func fill(answers []any, err error) []any {
	for i := range answers {
		answers[i] = err
	}
	return answers
}

func (s *Store) stoppedBy() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.stopped
}

// commit makes a batch visible with its applied index, and publishes it.
func (s *Store) commit(b *pebble.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := b.Set(keyApplied, u64(s.applied), nil); err != nil {
		return err
	}
	if err := holdpoint.Step("store-commit", func() error { return b.Commit(pebble.NoSync) }); err != nil {
		return err
	}
	if err := b.Close(); err != nil {
		return err
	}
	s.publishLocked()
	return nil
}

// applyOne applies one command on top of the batch, and gives the batch to go on with: an entry with a table, or that needs
// all earlier ones to be visible, commits the batch and begins another.
func (s *Store) applyOne(b *pebble.Batch, log *raft.Log) ([]byte, *pebble.Batch, error) {
	command, request, err := Decode(log.Data)
	if err != nil {
		return nil, b, err
	}
	if answer, known, err := s.results.recall(b, request, log.Index); known || err != nil {
		s.applied = log.Index
		return answer, b, err
	}
	if _, more := command.(*PutBatch); !more && len(s.tables) > 0 {
		if err := s.settle(b); err != nil {
			return nil, b, err
		}
		b = s.db.NewIndexedBatch()
	}
	result, refusal, b, err := s.judge(b, command, log)
	if group, ok := command.(*Group); ok && err == nil && refusal == nil {
		result.Grouped, err = s.judgeEach(b, group, log)
	}
	if err != nil {
		return nil, b, err
	}
	answer, err := encodeResult(result, refusal)
	if err != nil {
		return nil, b, err
	}
	if remembers(command) {
		if err := s.results.remember(b, request, log.Index, answer); err != nil {
			return nil, b, err
		}
	}
	s.applied = log.Index
	if _, ok := command.(*DigestState); ok && refusal == nil {
		promised := s.promiseDigest(log.Index)
		if err := s.commit(b); err != nil {
			return nil, b, err
		}
		s.beginDigest(promised)
		b = s.db.NewIndexedBatch()
	}
	return answer, b, nil
}

// judge has the state decide on one command, and adds to the batch what it changes if it is accepted.
func (s *Store) judge(b *pebble.Batch, command Command, log *raft.Log) (Result, *Refusal, *pebble.Batch, error) {
	t := &tx{from: b, control: s.control, index: log.Index, smallTable: s.config.SmallTable, digest: func() [32]byte { return s.digestOf(log) }}
	result, err := t.dispatch(command, log.Extensions)
	if ended := t.end(); ended != nil {
		return result, nil, b, ended
	}
	result.Index = log.Index
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return result, refusal, b, nil
	}
	if err != nil {
		return result, nil, b, err
	}
	if b, err = s.withTable(b, t, command, log); err != nil {
		return result, nil, b, err
	}
	if err := t.write(b); err != nil {
		return result, nil, b, err
	}
	s.control = t.control
	return result, nil, b, nil
}

// withTable has an accepted entry's table wait for its ingestion. Tables of entries that follow each other are ingested at once,
// after all entries before the first of them, and before the entries' own changes; no other entry comes between.
func (s *Store) withTable(b *pebble.Batch, t *tx, command Command, log *raft.Log) (*pebble.Batch, error) {
	batch, ok := command.(*PutBatch)
	if !ok || int(batch.Size) < s.config.SmallTable || !t.rotationChanged {
		return b, nil
	}
	if len(s.tables) == 0 {
		if err := s.commit(b); err != nil {
			return b, err
		}
		b = s.db.NewIndexedBatch()
	}
	s.tables = append(s.tables, log)
	return b, nil
}

// settle ingests the tables that wait, and commits the batch.
func (s *Store) settle(b *pebble.Batch) error {
	if len(s.tables) > 0 {
		if err := s.ingest(s.tables); err != nil {
			return err
		}
		s.tables = nil
	}
	return s.commit(b)
}

// dispatch judges one command. The error is a *Refusal, or stops the node.
func (t *tx) dispatch(command Command, table []byte) (Result, error) {
	if _, founding := command.(*Bootstrap); !founding && t.control.cluster.ID == (ID{}) {
		return Result{}, ErrNotBootstrapped
	}
	if err := t.allowed(command); err != nil {
		return Result{}, err
	}
	switch c := command.(type) {
	case *Bootstrap:
		return t.bootstrap(c)
	case *RegisterUnit:
		return t.registerUnit(c)
	case *SubmitOrder:
		return t.submitOrder(c)
	case *SubmitStatement:
		return t.submitStatement(c)
	case *SubmitApproval:
		return t.submitApproval(c)
	case *AssignPartitions:
		return t.assignPartitions(c)
	case *PutBatch:
		return t.putBatch(c, table)
	case *FenceUnit:
		return t.fenceUnit(c)
	case *RepairBlob:
		return t.repairBlob(c)
	case *CreateKey:
		return t.createKey(c)
	case *CreateKeys:
		return t.createKeys(c)
	case *AddKeyVersion:
		return t.addKeyVersion(c)
	case *UpdateKey:
		return t.updateKey(c)
	case *DeleteKey:
		return t.deleteKey(c)
	case *RestoreKey:
		return t.restoreKey(c)
	case *PurgeKey:
		return t.purgeKey(c)
	case *SweepPurged:
		return t.sweepPurged(c)
	case *CreateAPIKey:
		return t.createAPIKey(c)
	case *DeleteAPIKey:
		return t.deleteAPIKey(c)
	case *CreateToken:
		return t.createToken(c)
	case *UseToken:
		return t.useToken(c)
	case *RevokeToken:
		return t.revokeToken(c)
	case *DigestState:
		return Result{}, nil
	case *RaiseFeatureLevel:
		return t.raiseFeatureLevel(c)
	case *RemoveUnit:
		return t.removeUnit(c)
	case *PaceRewrap:
		return t.paceRewrap(c)
	case *DisownStatement:
		return t.disownStatement(c)
	case *Group:
		return t.group(c)
	case *ClearCurrent:
		return t.clearCurrent(c)
	}
	return Result{}, fmt.Errorf("%w: %T", ErrUndecodable, command)
}
