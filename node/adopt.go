package node

import (
	"errors"
	"fmt"
	"time"
)

// findLeftover returns the process that an earlier node started for the broker in dir, if it still runs, with its claim.
func findLeftover(dir string) (*process, claimRecord, error) {
	c, ok, err := readClaim(dir)
	if err != nil || !ok {
		return nil, c, err
	}
	p, err := open(c.Identity, handoverPath(dir))
	if errors.Is(err, errNotRunning) {
		return nil, c, nil
	}
	if err != nil {
		return nil, c, fmt.Errorf("look for process %d of an earlier start: %w", c.Identity.PID, err)
	}
	return p, c, nil
}

// matches says whether the process of claim c is the one that would be started for h now.
func (c claimRecord) matches(h *Handover) bool {
	return c.Build == h.Build && c.Config == h.hash() && c.Restart == h.Restart
}

var errNotRunning = errors.New("the process does not run any more")

// adoptedProcess fills what adopted processes have in common.
func adoptedProcess(pid int) *process {
	p := &process{
		pid: pid, adopted: true, started: time.Now(), standby: make(chan struct{}), ready: make(chan struct{}), done: make(chan struct{}),
	}
	close(p.ready)
	return p
}
