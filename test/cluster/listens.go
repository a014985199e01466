package cluster

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Listens says whether a process of this Weir accepts connections at host:port. Another one, of another test perhaps, may have the address by now:
// what a cluster gives back is free for all.
func (w *Weir) Listens(t testing.TB, address string) bool {
	t.Helper()
	if !isLinux() {
		c, err := net.DialTimeout("tcp", address, time.Second) //nolint:noctx // also at the end of a test, when its context has ended
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	want, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatal(err)
	}
	sockets := listening(t, want)
	for _, pid := range w.PIDs() {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if to, err := os.Readlink(f); err == nil && slices.Contains(sockets, to) {
				return true
			}
		}
	}
	return false
}

// listening are the sockets that listen at an IPv4 address, as the links in /proc/PID/fd name them.
func listening(t testing.TB, at netip.AddrPort) (sockets []string) {
	t.Helper()
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ip := at.Addr().As4()
	// The address is written as a number in the machine's own byte order.
	local := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), at.Port())
	const listen = "0A"
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if col := strings.Fields(lines.Text()); len(col) > 9 && col[1] == local && col[3] == listen {
			sockets = append(sockets, "socket:["+col[9]+"]")
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return sockets
}
