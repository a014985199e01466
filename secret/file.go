package secret

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// masterFile is the master key as its file has it.
type masterFile struct {
	ID  string `json:"id"`
	Key string `json:"key"` // hex
}

// LoadOrCreateMaster reads the master key from the file at path, or makes a new one there, readable by the owner only. The folder must exist. A
// file that others can read, or that is damaged, is an error that says what to do; it is never replaced, because what was sealed with it could
// not be opened any more. Two processes that start at once get the same key.
func LoadOrCreateMaster(path string) (*Master, error) {
	m, err := loadMaster(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	var id [8]byte
	var key [keyBytes]byte
	_, _ = rand.Read(id[:]) // never fails
	_, _ = rand.Read(key[:])
	if err := createFile(path, masterFile{ID: hex.EncodeToString(id[:]), Key: hex.EncodeToString(key[:])}); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create the master key: %w", err)
	}
	return loadMaster(path)
}

func loadMaster(path string) (*Master, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the master key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("the master key %s can be read by others (mode %#o): run chmod 600 on the file", path, mode)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the master key: %w", err)
	}
	var f masterFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, damaged(path) // without the cause, which may quote the key
	}
	key, err := hex.DecodeString(f.Key)
	if err != nil {
		return nil, damaged(path)
	}
	m, err := NewMaster(f.ID, key)
	if err != nil {
		return nil, damaged(path)
	}
	return m, nil
}

func damaged(path string) error {
	return fmt.Errorf("the master key %s is damaged: restore the file from a backup; without it the stored secrets cannot be opened", path)
}

// createFile writes the file whole or not at all, and does not overwrite one.
func createFile(path string, content masterFile) error {
	b, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".master-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if _, err = f.Write(append(b, '\n')); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename, fails when path is there
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the file's name durable: a secret may be acknowledged soon after, and nothing else opens it.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
