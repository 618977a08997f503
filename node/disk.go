package node

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/api/client"
	"tumbler/cluster"
	"tumbler/holdpoint"
)

// diskLook is how often the space that is left is measured, and told to others.
const diskLook = time.Second

// reserveName is the file in data_dir that is given up when the disk is nearly full.
const reserveName = "reserve"

// room is the disk of one node, as it tells others.
type room struct {
	Number uint32 `json:"number"`
	Free   uint64 `json:"free"` // bytes
	Low    bool   `json:"low"`  // below the node's low mark
}

// disk watches the space that is left under data_dir. Below the low mark new keys are refused and no node rewraps, so that
// what is under way can still be ended; below the size of the reserve that file is given up for it.
type disk struct {
	config Config
	log    hclog.Logger

	mu       sync.Mutex
	own      room
	others   []room // as the leader last heard them
	reserved bool
	failed   bool // the reserve could not be made, which was said
}

func newDisk(config Config, log hclog.Logger) *disk {
	d := &disk{config: config, log: log, own: room{Number: config.Number}}
	d.look()
	return d
}

func (d *disk) reserve() string { return filepath.Join(d.config.DataDir, reserveName) }

// look measures, and gives up or makes the reserve.
func (d *disk) look() {
	free, err := diskFree(d.config.DataDir)
	if err != nil {
		d.log.Warn("the space left for data_dir cannot be measured", "error", err)
		return
	}
	low, reserve := d.config.Disk.low(), d.config.Disk.reserve()
	info, err := os.Stat(d.reserve())
	reserved := err == nil && info.Size() == int64(reserve)
	switch {
	case reserved && free < reserve:
		if err := os.Remove(d.reserve()); err != nil {
			d.log.Error("the disk is nearly full, and the reserve cannot be given up: remove it by hand", "file", d.reserve(), "error", err)
			break
		}
		reserved, free = false, free+reserve
		d.log.Error("the disk is nearly full, and the reserve was given up: make room now, what ends a rotation can still be written", "free_bytes", free)
	case !reserved && free >= low+reserve:
		reserved = d.keep(reserve)
		if reserved {
			free -= reserve
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.own.Low
	d.own.Free, d.own.Low, d.reserved = free, free < low, reserved
	if d.own.Low != was {
		if d.own.Low {
			d.log.Warn("the disk is below the low mark: new keys are refused and no node rewraps until there is room", "free_bytes", free, "low_bytes", low)
		} else {
			d.log.Info("the disk has room again", "free_bytes", free)
		}
	}
}

// keep makes the reserve.
func (d *disk) keep(size uint64) bool {
	err := os.Remove(d.reserve()) // one of another size
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = occupy(d.reserve(), int64(size))
	}
	if err != nil && !d.failed {
		d.log.Warn("the reserve of disk space cannot be made", "file", d.reserve(), "error", err)
	}
	d.failed = err != nil
	return err == nil
}

// occupy makes a file whose blocks are taken from the disk.
func occupy(path string, size int64) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = allocate(file, size)
	if err = errors.Join(err, holdpoint.Step("reserve-sync", file.Sync), file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// writeZeros takes space by writing zeros.
func writeZeros(file *os.File, size int64) error {
	zeros := make([]byte, 1<<20)
	for size > 0 {
		n, err := file.Write(zeros[:min(size, int64(len(zeros)))])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}

// run measures, and hears of the other members' disks: the leader asks every member, the others ask the leader.
func (d *disk) run(ctx context.Context, c *cluster.Cluster) {
	clock := time.NewTicker(diskLook)
	defer clock.Stop()
	for {
		d.look()
		if leader, known := c.Leader(); known {
			d.hear(ctx, c, leader)
		}
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		}
	}
}

func (d *disk) hear(ctx context.Context, c *cluster.Cluster, leader uint32) {
	ctx, cancel := context.WithTimeout(ctx, diskLook)
	defer cancel()
	var heard []room
	if leader != d.config.Number {
		answer, err := c.Call(ctx, leader, callRooms, nil)
		if err != nil || json.Unmarshal(answer, &heard) != nil {
			return // an older release, or no leader any more: what was heard last stays
		}
	} else {
		heard = askRooms(ctx, c)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.others = slices.DeleteFunc(heard, func(r room) bool { return r.Number == d.config.Number })
}

// askRooms asks every other member; who does not answer is not in the list.
func askRooms(ctx context.Context, c *cluster.Cluster) []room {
	members := c.Members()
	answers := make(chan *room, len(members))
	for _, m := range members {
		go func() {
			var r room
			answer, err := c.Call(ctx, m.Number, callRoom, nil)
			if err != nil || json.Unmarshal(answer, &r) != nil || r.Number != m.Number {
				answers <- nil
				return
			}
			answers <- &r
		}()
	}
	var heard []room
	for range members {
		if r := <-answers; r != nil {
			heard = append(heard, *r)
		}
	}
	return heard
}

// rooms are this node's disk and those that it heard of.
func (d *disk) rooms() []room {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]room{d.own}, d.others...)
}

func (d *disk) of(number uint32) (room, bool) {
	for _, r := range d.rooms() {
		if r.Number == number {
			return r, true
		}
	}
	return room{}, false
}

// anyLow tells whether some member's disk is below its mark: then nobody rewraps.
func (d *disk) anyLow() bool {
	return slices.ContainsFunc(d.rooms(), func(r room) bool { return r.Low })
}

func (d *disk) status() client.Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := client.Disk{Free: d.own.Free, Low: d.own.Low, LowMark: d.config.Disk.low()}
	if d.reserved {
		out.Reserved = d.config.Disk.reserve()
	}
	return out
}

// handle answers other nodes.
func (d *disk) handle(c *cluster.Cluster) {
	c.Handle(callRoom, func(context.Context, uint32, []byte) ([]byte, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		return json.Marshal(d.own)
	})
	c.Handle(callRooms, func(context.Context, uint32, []byte) ([]byte, error) { return json.Marshal(d.rooms()) })
}
