package cluster

import (
	"sync"

	"github.com/hashicorp/raft"
)

// leadership follows who leads, as far as this node knows.
type leadership struct {
	raft *raft.Raft
	self uint32

	mu        sync.Mutex
	number    uint32        // 0: nobody
	leading   bool          // this node does
	changed   chan struct{} // closed at the next change
	listeners []chan bool
	closed    bool
}

func newLeadership(r *raft.Raft, self uint32) *leadership {
	return &leadership{raft: r, self: self, changed: make(chan struct{})}
}

// watch follows Raft until stop is closed. A wake-up says only that something changed, so none can be lost.
func (l *leadership) watch(stop <-chan struct{}) {
	wake := make(chan raft.Observation, 1)
	observer := raft.NewObserver(wake, false, func(o *raft.Observation) bool {
		switch o.Data.(type) {
		case raft.LeaderObservation, raft.RaftState:
			return true
		}
		return false
	})
	l.raft.RegisterObserver(observer)
	defer l.raft.DeregisterObserver(observer)
	lead := l.raft.LeaderCh()
	for {
		l.update()
		select {
		case <-wake:
		case <-lead:
		case <-stop:
			l.close()
			return
		}
	}
}

func (l *leadership) update() {
	_, id := l.raft.LeaderWithID()
	number, err := parseNumber(string(id))
	if err != nil {
		number = 0
	}
	leading := l.raft.State() == raft.Leader
	if number == l.self && !leading { // it has just lost it
		number = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if number != l.number || leading != l.leading {
		close(l.changed)
		l.changed = make(chan struct{})
	}
	told := l.leading
	l.number, l.leading = number, leading
	if told != leading {
		for _, c := range l.listeners {
			tell(c, leading)
		}
	}
}

// tell replaces what the receiver has not taken yet. The caller holds the lock, so there is one sender.
func tell(c chan bool, leading bool) {
	select {
	case <-c:
	default:
	}
	c <- leading
}

func (l *leadership) subscribe() <-chan bool {
	c := make(chan bool, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		close(c)
		return c
	}
	c <- l.leading
	l.listeners = append(l.listeners, c)
	return c
}

// get gives the leader, 0 for nobody, and a channel that is closed when that changes.
func (l *leadership) get() (number uint32, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.number, l.changed
}

func (l *leadership) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	if l.leading {
		for _, c := range l.listeners {
			tell(c, false)
		}
	}
	for _, c := range l.listeners {
		close(c)
	}
}
