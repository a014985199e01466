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

// youngClaim is the age up to which a claim counts although its cluster has no directory yet.
const youngClaim = time.Minute

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
	path := filepath.Join(c.dir, place)
	mine := claim{Data: c.data, Cluster: cluster}
	if other, age, ok := readPlace(path); ok && other != mine && other.exists(age) {
		return false
	}
	b, err := json.Marshal(mine)
	if err == nil {
		_ = writeFile(path, b) // a courtesy
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
	if got, _, ok := readPlace(path); ok && got == (claim{Data: c.data, Cluster: cluster}) {
		_ = os.Remove(path)
	}
}

// lock does not wait: of nodes that choose at the same moment, binding the addresses decides.
func (c *claims) lock() (unlock func(), err error) {
	l, err := lockFile(filepath.Join(c.dir, "lock"))
	if err != nil {
		return nil, err
	}
	return func() { _ = l.Close() }, nil
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
