//go:build unix

package daemon

import (
	"fmt"
	"os"
	"syscall"
)

// ownedByUs makes sure that nobody else prepared the directory.
func ownedByUs(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm() != 0o700 || !ok || int(st.Uid) != os.Getuid() {
		return fmt.Errorf("%s is not a directory that only this user can use", dir)
	}
	return nil
}
