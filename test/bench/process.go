package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what processes have taken from the machine so far.
type usage struct {
	pssBytes int64 // proportional set size: pages shared between processes count once
	rssBytes int64
	cpu      time.Duration // user and system time, ended children included
}

func (u usage) plus(o usage) usage {
	return usage{u.pssBytes + o.pssBytes, u.rssBytes + o.rssBytes, u.cpu + o.cpu}
}

// measure reads a process's usage from /proc.
func measure(pid int) (usage, error) {
	var u usage
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return u, err
	}
	for s := bufio.NewScanner(bytes.NewReader(rollup)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 2 {
			continue
		}
		kib, err := strconv.ParseInt(f[1], 10, 64)
		switch {
		case f[0] == "Pss:" && err == nil:
			u.pssBytes = kib << 10
		case f[0] == "Rss:" && err == nil:
			u.rssBytes = kib << 10
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// Fields count from 1; what precedes the last parenthesis is pid and command. utime, stime, cutime and cstime are 14 to 17, in ticks of
	// 1/100 s on every Linux that Go runs on.
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, field := range f[11:15] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return u, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		u.cpu += time.Duration(ticks) * 10 * time.Millisecond
	}
	return u, nil
}

// measureAll adds up the usage of several processes.
func measureAll(pids []int) (usage, error) {
	var sum usage
	for _, pid := range pids {
		u, err := measure(pid)
		if err != nil {
			return sum, err
		}
		sum = sum.plus(u)
	}
	return sum, nil
}
