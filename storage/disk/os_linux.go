package disk

import (
	"io"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// vector is scratch for one pwritev call. The kernel takes at most 1,024 (IOV_MAX) parts a call.
type vector struct{ iov [1024]unix.Iovec }

// writev is one pwritev for up to 1,024 buffers. x/sys's Pwritev would allocate the vector anew for each call.
func (f *osFile) writev(bufs [][]byte, off int64) (int, error) {
	v := f.vectors.Get().(*vector) //nolint:errcheck // the pool holds nothing else
	defer f.vectors.Put(v)
	total, i, skip := 0, 0, 0 // skip: bytes of bufs[i] that are written already
	for {
		n := 0
		for j, first := i, skip; j < len(bufs) && n < len(v.iov); j++ {
			if b := bufs[j][first:]; len(b) > 0 {
				v.iov[n].Base = &b[0]
				v.iov[n].SetLen(len(b))
				n++
			}
			first = 0
		}
		if n == 0 {
			return total, nil
		}
		// The offset is passed as a low and a high word; on 64-bit systems the low word holds all of it.
		wrote, _, errno := unix.Syscall6(unix.SYS_PWRITEV, f.fd, uintptr(unsafe.Pointer(&v.iov[0])), uintptr(n), uintptr(off), uintptr(off>>32), 0)
		clear(v.iov[:n]) // do not keep the caller's buffers alive
		runtime.KeepAlive(bufs)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return total, errno
		}
		if wrote == 0 {
			return total, io.ErrShortWrite
		}
		total += int(wrote)
		off += int64(wrote)
		for rest := int(wrote); i < len(bufs); i++ {
			if left := len(bufs[i]) - skip; rest < left {
				skip += rest
				break
			} else {
				rest -= left
				skip = 0
			}
		}
	}
}

// datasync retries only what a signal interrupted: then the kernel has reported no result of the write-back yet.
func (f *osFile) datasync() error {
	for {
		if err := unix.Fdatasync(int(f.fd)); err != unix.EINTR {
			return err
		}
	}
}

func space(root string) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err != nil {
		return 0, 0, err
	}
	size := int64(st.Bsize) //nolint:unconvert // 32 bits wide on some architectures
	return int64(st.Bavail) * size, int64(st.Blocks) * size, nil
}

// networkKind names the network file system that root is on, "" for a local one.
func networkKind(root string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err != nil {
		return "", err
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC:
		return "NFS", nil
	case unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC:
		return "SMB", nil
	case unix.CEPH_SUPER_MAGIC:
		return "CephFS", nil
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "AFS", nil
	case unix.CODA_SUPER_MAGIC:
		return "Coda", nil
	case unix.V9FS_MAGIC:
		return "9p", nil
	case unix.OCFS2_SUPER_MAGIC:
		return "OCFS2", nil
	case 0x01161970:
		return "GFS2", nil
	case 0x0BD00BD0:
		return "Lustre", nil
	case 0x47504653:
		return "GPFS", nil
	case 0x013111A8:
		return "IBRIX", nil
	case 0x19830326:
		return "BeeGFS", nil
	}
	return "", nil
}
