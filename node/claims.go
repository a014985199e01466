package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// claims is what the nodes of one user on a computer know of each other's addresses: a file per block, naming whose it is. It keeps two data
// directories from choosing the same block when they do not run at the same time, or while the brokers of one are being restarted.
//
// It is a courtesy, not a lock: it lies in the temporary directory, may vanish, and is not needed to start. What decides is whether an
// address can be bound.
type claims struct {
	dir  string // of all nodes' files
	data string // ours
}

// claim is the content of a file.
type claim struct {
	Data    string `json:"data"` // data directory
	Cluster string `json:"cluster"`
}

func newClaims(data string) *claims {
	return &claims{dir: filepath.Join(os.TempDir(), fmt.Sprintf("weir-%d-addresses", os.Getuid())), data: data}
}

const (
	// youngClaim is the age up to which a claim counts although its cluster has no directory yet.
	youngClaim = time.Minute
	// lockWait bounds the wait for another node that writes a claim. It holds the lock for a moment only, unless it is stopped just then.
	lockWait  = 2 * time.Second
	lockPause = time.Millisecond
)

// others tells whether another cluster that still exists has place. It touches nothing, so that whoever has it does not notice.
func (c *claims) others(place, cluster string) bool {
	other, age, ok := readPlace(filepath.Join(c.dir, place))
	return ok && other != c.of(cluster) && other.exists(age)
}

// of is our claim for the cluster.
func (c *claims) of(cluster string) claim { return claim{Data: c.data, Cluster: cluster} }

// take claims place for the cluster. It returns false if another cluster that still exists has it, of this data directory or another.
func (c *claims) take(place, cluster string) bool {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return true
	}
	unlock, err := c.lock()
	if err != nil {
		return true
	}
	defer unlock()
	if c.others(place, cluster) {
		return false
	}
	b, err := json.Marshal(c.of(cluster))
	if err == nil {
		_ = writeFile(filepath.Join(c.dir, place), b) // a courtesy
	}
	return true
}

// drop gives the place back if it is the cluster's.
func (c *claims) drop(place, cluster string) {
	unlock, err := c.lock()
	if err != nil {
		return
	}
	defer unlock()
	path := filepath.Join(c.dir, place)
	if got, _, ok := readPlace(path); ok && got == c.of(cluster) {
		_ = os.Remove(path)
	}
}

// lock waits a little: a claim that is not written is missed when its node does not run, and another takes the addresses.
func (c *claims) lock() (unlock func(), err error) {
	for until := time.Now().Add(lockWait); ; <-time.After(lockPause) {
		l, err := lockFile(filepath.Join(c.dir, "lock"))
		switch {
		case err == nil:
			return func() { _ = l.Close() }, nil
		case !errors.Is(err, ErrClaimed), time.Now().After(until):
			return nil, err
		}
	}
}

func readPlace(path string) (c claim, age time.Duration, ok bool) {
	info, err := os.Stat(path)
	if err != nil {
		return claim{}, 0, false
	}
	b, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(b, &c) != nil {
		return claim{}, 0, false
	}
	return c, time.Since(info.ModTime()), true
}

// exists tells whether what the claim was made for is still there.
func (c claim) exists(age time.Duration) bool {
	dir := c.Data
	if age > youngClaim {
		dir = filepath.Join(c.Data, "clusters", c.Cluster)
	}
	_, err := os.Stat(dir)
	return !errors.Is(err, fs.ErrNotExist)
}
