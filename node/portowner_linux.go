package node

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// PortOwner names the process that listens on a, as far as this user may see it.
func PortOwner(a Address) string {
	inode, ok := listeningInode(a)
	if !ok {
		return ""
	}
	want := "socket:[" + inode + "]"
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && target == want {
			pid := strings.Split(fd, "/")[2]
			name, err := os.ReadFile("/proc/" + pid + "/comm")
			if err != nil {
				return "process " + pid
			}
			return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(name)))
		}
	}
	return ""
}

// listeningInode finds the listening socket that has the address, or the port on all addresses.
func listeningInode(a Address) (inode string, ok bool) {
	exact := socketAddress(net.ParseIP(a.IP).To4(), a.Port)
	any4 := socketAddress(net.IPv4zero.To4(), a.Port)
	any6 := strings.Repeat("0", 32) + fmt.Sprintf(":%04X", a.Port)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
			fields := strings.Fields(lines.Text())
			const listening = "0A"
			if len(fields) > 9 && fields[3] == listening && (fields[1] == exact || fields[1] == any4 || fields[1] == any6) {
				_ = f.Close()
				return fields[9], true
			}
		}
		_ = f.Close()
	}
	return "", false
}

// socketAddress is the kernel's notation: the address as a number in the machine's byte order.
func socketAddress(ip net.IP, port int32) string {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], binary.BigEndian.Uint32(ip))
	return strings.ToUpper(hex.EncodeToString(b[:])) + ":" + fmt.Sprintf("%04X", port)
}
