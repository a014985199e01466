package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"weir/metadata"
	"weir/metadata/etcd"
	"weir/storage/disk"
)

// dataDir is a data directory that this process uses alone.
type dataDir struct {
	path    string // absolute
	sockets string // directory of the sockets
	lock    io.Closer
}

func formatPath(dir string) string      { return filepath.Join(dir, "FORMAT") }
func lockPath(dir string) string        { return filepath.Join(dir, "LOCK") }
func credentialsPath(dir string) string { return filepath.Join(dir, "credentials") }
func masterKeyPath(dir string) string   { return filepath.Join(dir, "master.key") }
func logPath(dir string) string         { return filepath.Join(dir, "log", "weir.log") }

// socketsPath is a file that says where the sockets are, if not in run/.
func socketsPath(dir string) string { return filepath.Join(dir, "run", "sockets") }

// openDataDir creates the directory if need be and locks it. A directory of a newer format, or of something else, is left as it is.
func openDataDir(path string) (*dataDir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, problem("cannot use the data directory "+path, err, "name another one with --data")
	}
	cannot := func(err error) error {
		return problem("cannot use the data directory "+abs, err, "make it writable for you, or name another one with --data")
	}
	known, err := checkFormat(abs)
	if err != nil {
		return nil, err
	}
	for _, d := range []string{abs, filepath.Join(abs, "run"), filepath.Join(abs, "log")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, cannot(err)
		}
	}
	fs := disk.OS(abs)
	lock, err := fs.Lock("LOCK")
	if errors.Is(err, disk.ErrLocked) {
		return nil, inUse(abs)
	}
	if err != nil {
		return nil, cannot(err)
	}
	d := &dataDir{path: abs, lock: lock}
	if !known {
		err = writeFormat(fs)
	}
	if err == nil {
		err = os.WriteFile(lockPath(abs), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
	}
	if err == nil {
		d.sockets, err = socketDir(abs)
	}
	if err != nil {
		return nil, errors.Join(cannot(err), lock.Close())
	}
	return d, nil
}

func (d *dataDir) close() error { return d.lock.Close() }

func inUse(dir string) error {
	who := "another weir up"
	if pid, ok := lockHolder(dir); ok {
		who = fmt.Sprintf("weir up with process id %d", pid)
	}
	return &Problem{
		What: "the data directory " + dir + " is already in use",
		Why:  who + " runs on it, and two would damage each other's state",
		Fix:  "use the one that runs (weir status), end it with Ctrl-C or a TERM signal, or start on another directory with --data",
		Code: ExitConflict,
	}
}

// lockHolder is the process that wrote its id into the lock last.
func lockHolder(dir string) (pid int, ok bool) {
	b, err := os.ReadFile(lockPath(dir))
	if err != nil {
		return 0, false
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
	return pid, err == nil && pid > 0
}

// checkFormat tells whether dir is a data directory, false if there is nothing yet, and refuses what is neither. It writes nothing.
func checkFormat(dir string) (known bool, err error) {
	b, err := os.ReadFile(formatPath(dir))
	if errors.Is(err, os.ErrNotExist) {
		return false, checkEmpty(dir)
	}
	if err != nil {
		return false, problem("cannot use the data directory "+dir, err, "make it readable for you, or name another one with --data")
	}
	version, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || version < 1 {
		return false, &Problem{
			What: "cannot use the data directory " + dir, Why: "its file FORMAT does not say which format it has",
			Fix: "restore the file from a backup, or name another directory with --data", Code: ExitFailed,
		}
	}
	if version > metadata.Format {
		return false, newerFormat(dir, &metadata.NewerFormatError{Where: "its file FORMAT", Found: version})
	}
	return true, nil
}

func newerFormat(dir string, err *metadata.NewerFormatError) error {
	return &Problem{
		What: "the data directory " + dir + " was written by a newer weir",
		Why:  fmt.Sprintf("it has format %d, and this program knows formats up to %d; nothing was changed", err.Found, metadata.Format),
		Fix:  "start it with the newer program, or name another directory with --data",
		Code: ExitConflict, Err: err,
	}
}

// checkEmpty keeps a mistyped --data from filling somebody's folder.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return problem("cannot use the data directory "+dir, err, "name another one with --data")
	}
	for _, e := range entries {
		switch e.Name() {
		case "LOCK", "run", "log", formatNew: // of a first start that did not get far
		default:
			return &Problem{
				What: "cannot use the data directory " + dir,
				Why:  fmt.Sprintf("it is not one of weir's: it has no file FORMAT, but there is %s", e.Name()),
				Fix:  "name an empty or a new directory with --data", Code: ExitFailed,
			}
		}
	}
	return nil
}

const formatNew = "FORMAT.new"

// writeFormat makes the mark durable before anything else is written.
func writeFormat(fs disk.FS) error {
	f, err := fs.Open(formatNew, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(metadata.Format)+"\n"), 0)
	if err == nil {
		err = f.Datasync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(formatNew, "FORMAT"); err != nil {
		return err
	}
	return fs.SyncDir(".")
}

// The sockets.
const (
	metadataSocket = "etcd.sock"
	statusSocket   = "weir.sock"
)

// socketDir is run/ in the data directory if the sockets' paths are short enough there. Otherwise it is a directory of the user's own below the
// system's temporary one, always the same for a data directory, so that brokers which outlive weir up find the next one; run/sockets
// names it.
func socketDir(dir string) (string, error) {
	run := filepath.Join(dir, "run")
	if len(filepath.Join(run, metadataSocket)) <= etcd.SocketPathMax {
		if err := os.Remove(socketsPath(dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		return run, nil
	}
	sum := sha256.Sum256([]byte(dir))
	short := filepath.Join(os.TempDir(), fmt.Sprintf("weir-%d-%s", os.Getuid(), hex.EncodeToString(sum[:6])))
	if len(filepath.Join(short, metadataSocket)) > etcd.SocketPathMax {
		return "", fmt.Errorf("its path and that of the temporary directory are too long for a socket: at most %d bytes", etcd.SocketPathMax)
	}
	if err := os.Mkdir(short, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	if err := ownedByUs(short); err != nil {
		return "", err
	}
	if err := os.WriteFile(socketsPath(dir), []byte(short+"\n"), 0o600); err != nil {
		return "", err
	}
	return short, nil
}

// findSocket is where the weir up of a data directory answers.
func findSocket(dir, name string) string {
	if b, err := os.ReadFile(socketsPath(dir)); err == nil {
		if short := strings.TrimSpace(string(b)); filepath.IsAbs(short) && ownedByUs(short) == nil {
			return filepath.Join(short, name)
		}
	}
	return filepath.Join(dir, "run", name)
}
