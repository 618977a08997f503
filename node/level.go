package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/cluster"
	"tumbler/fsm"
)

// firstLevel is what releases understand that do not answer callFeatureLevel.
const firstLevel = 1

// levelEvery is how often a leader asks its members what they understand, while the cluster is below its own level.
const levelEvery = 2 * time.Second

// leveller raises the cluster's feature level once every member reports that it understands a higher one.
type leveller struct {
	cluster *cluster.Cluster
	replica *replica
	log     hclog.Logger
	asked   time.Time
}

func (l *leveller) raise(ctx context.Context, now time.Time) error {
	if l.replica.store.FeatureLevel() >= understood() || now.Sub(l.asked) < levelEvery {
		return nil
	}
	l.asked = now
	ctx, cancel := context.WithTimeout(ctx, levelEvery)
	defer cancel()
	lowest := understood()
	for _, m := range l.cluster.Members() {
		level, err := l.levelOf(ctx, m.Number)
		if err != nil {
			return fmt.Errorf("asking node %d for its feature level: %w", m.Number, err)
		}
		lowest = min(lowest, level)
	}
	if lowest <= l.replica.store.FeatureLevel() {
		return nil
	}
	if _, err := l.replica.Propose(ctx, &fsm.RaiseFeatureLevel{Level: lowest}); err != nil {
		return err
	}
	l.log.Info("every member understands a higher feature level", "level", lowest)
	return nil
}

func (l *leveller) levelOf(ctx context.Context, number uint32) (uint32, error) {
	answer, err := l.cluster.Call(ctx, number, callFeatureLevel, nil)
	switch {
	case errors.Is(err, cluster.ErrUnknownMethod):
		return firstLevel, nil
	case err != nil:
		return 0, err
	case len(answer) != 4:
		return 0, fmt.Errorf("%s: an answer of %d bytes", callFeatureLevel, len(answer))
	}
	return binary.BigEndian.Uint32(answer), nil
}

func answerFeatureLevel(context.Context, uint32, []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint32(nil, understood()), nil
}
