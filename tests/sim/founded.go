package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/fxamacker/cbor/v2"
	"github.com/hashicorp/raft"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// epochBegin is the virtual time at which worlds begin.
var epochBegin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// empty is a world of so many nodes, the last of them with recovery units, that knows of no master key.
func empty(operational, recovery int) (*world, error) {
	admins, err := newAdministrators()
	if err != nil {
		return nil, err
	}
	w := &world{now: epochBegin, admins: admins, keys: newKeyring(), facts: newFacts(), faults: map[string]int{}, files: newFiles()}
	if w.truth, err = openTruth(w.files); err != nil {
		return nil, err
	}
	for i := range operational + recovery {
		role := order.Operational
		if i >= operational {
			role = order.Recovery
		}
		w.nodes = append(w.nodes, newNode(w, uint32(i+1), role, newFiles(), newFolder()))
	}
	for _, n := range w.nodes {
		if err := errors.Join(n.start(), admins.install(n)); err != nil {
			return nil, err
		}
	}
	bootstrap := &fsm.Bootstrap{Cluster: fsm.ID(clusterID), Instance: fsm.ID(instanceID), Incarnation: 1, FeatureLevel: fsm.FeatureLevel, At: w.at64()}
	data, err := fsm.Encode(bootstrap, w.request(0))
	if err != nil {
		return nil, err
	}
	_, err = w.agree(data, nil, nil)
	return w, err
}

func newNode(w *world, number uint32, role order.Role, files *vfs.MemFS, disk *folder) *node {
	small := []int{1, 700, fsm.MaxTableSize}[number%3] // tables are ingested all, some or none
	return &node{world: w, number: number, role: role, small: small, files: files, disk: disk, spoilt: map[uint64]*raft.Log{}, damaged: map[uint64]uint64{}}
}

func openTruth(files vfs.FS) (*fsm.Store, error) {
	return fsm.Open(fsm.Config{Dir: "store", FS: files, CacheSize: 64 << 10})
}

// image is a cluster with a master key and some keys, at rest, that worlds begin from: the same for many of them, since to found
// one costs as much as to rotate.
type image struct {
	nodes  []*node
	truth  *vfs.MemFS
	base   uint64
	admins *administrators
	keys   *keyring
	facts  *facts
}

// found makes an image whose blobs lie in so many partitions.
func found(operational, recovery, partitions int) (*image, error) {
	w, err := empty(operational, recovery)
	if err != nil {
		return nil, err
	}
	for i := range partitions {
		if i > 0 {
			if err := w.leap(order.PartitionKeys - 2); err != nil {
				return nil, err
			}
		}
		if err := w.calm(); err != nil {
			return nil, fmt.Errorf("founding: %w", err)
		}
		for range 5 - partitions {
			w.nodes[0].work(calling, func() { w.nodes[0].create(false) })
			if err := w.calm(); err != nil {
				return nil, fmt.Errorf("founding: %w", err)
			}
		}
	}
	return w.image()
}

// image takes the disks of a world at rest.
func (w *world) image() (*image, error) {
	m := &image{base: w.last(), admins: w.admins, keys: w.keys.clone(), facts: w.facts.clone()}
	for _, n := range w.nodes {
		if err := errors.Join(n.store.Flush(), n.end(0)); err != nil {
			return nil, err
		}
		m.nodes = append(m.nodes, n)
	}
	err := w.truth.Flush()
	m.truth = w.files.CrashClone(vfs.CrashCloneCfg{})
	w.close()
	return m, err
}

// world is one that begins from the image.
func (m *image) world(seed uint64) (*world, error) {
	w := &world{seed: seed, now: epochBegin.Add(time.Hour), base: m.base, admins: m.admins, keys: m.keys.clone(), facts: m.facts.clone(), faults: map[string]int{}}
	var err error
	if w.truth, err = openTruth(m.truth.CrashClone(vfs.CrashCloneCfg{})); err != nil {
		return nil, err
	}
	for _, n := range m.nodes {
		d := newNode(w, n.number, n.role, n.files.CrashClone(vfs.CrashCloneCfg{}), n.disk.clone())
		d.snapshot = m.base
		w.nodes = append(w.nodes, d)
	}
	for _, n := range w.nodes {
		if err := n.start(); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

// leap has the state give the next blob a higher number, so that few blobs lie in several partitions.
func (w *world) leap(by uint64) error {
	for _, n := range w.nodes {
		if err := errors.Join(n.store.Flush(), n.end(0), leap(n.files, by)); err != nil {
			return err
		}
		n.snapshot = w.last()
	}
	w.facts.close()
	w.facts.views, w.facts.digests = map[uint64]*fsm.View{}, map[uint64][32]byte{}
	w.keys.next += by
	err := errors.Join(w.truth.Flush(), w.truth.Close(), leap(w.files, by))
	if err == nil {
		w.truth, err = openTruth(w.files)
	}
	return err
}

// clusterKey is where the cluster's record lies.
var clusterKey = []byte("c")

func leap(files vfs.FS, by uint64) error {
	cache := pebble.NewCache(64 << 10)
	defer cache.Unref()
	o := fsm.PebbleOptions(cache)
	o.FS, o.Logger = files, quiet{}
	db, err := pebble.Open("store/"+fsm.FirstFolder, o)
	if err != nil {
		return err
	}
	value, closer, err := db.Get(clusterKey)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	var cluster fsm.Cluster
	err = cbor.Unmarshal(value, &cluster)
	cluster.NextBlob += by
	mode, failed := cbor.CoreDetEncOptions().EncMode()
	if err = errors.Join(err, failed, closer.Close()); err != nil {
		return errors.Join(err, db.Close())
	}
	record, err := mode.Marshal(cluster)
	return errors.Join(err, db.Set(clusterKey, record, pebble.NoSync), db.Flush(), db.Close())
}

// quiet is a logger that says nothing.
type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
