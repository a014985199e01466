package authn

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"weir/awsapi"
)

// Root is the account's root user with its access key, as the credentials file keeps it.
type Root struct {
	Account         string `json:"account"`
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey Secret `json:"secretAccessKey"`
}

// AccessKey returns root's key with its principal.
func (r Root) AccessKey() AccessKey {
	return AccessKey{ID: r.AccessKeyID, Secret: r.SecretAccessKey, Principal: awsapi.Principal{
		ARN:       awsapi.ARN{Partition: awsapi.Partition, Service: "iam", Account: r.Account, Resource: "root"}.String(),
		Account:   r.Account,
		UserID:    r.Account,
		AccessKey: r.AccessKeyID,
	}}
}

// What generated credentials look like, and what a file may hold.
const (
	keyIDPrefix  = "AKIA"
	keyIDLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	keyIDLength  = 20
	secretLength = 40
	// No + and /: they survive every shell, URL and configuration file.
	secretLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

var (
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
	keyIDForm   = regexp.MustCompile(`^[A-Za-z0-9_]{16,128}$`)
)

// LoadOrCreateRoot reads the root credentials from the file at path, or makes new ones there, readable by the owner only.
// The folder must exist. A file that others can read, or that is damaged, is an error that says what to do; it is never replaced.
// Two processes that start at once get the same credentials.
func LoadOrCreateRoot(path string) (Root, error) {
	r, err := LoadRoot(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	r = Root{
		Account: AccountID, AccessKeyID: keyIDPrefix + random(keyIDLetters, keyIDLength-len(keyIDPrefix)),
		SecretAccessKey: Secret(random(secretLetters, secretLength)),
	}
	if err := r.create(path); err != nil {
		if errors.Is(err, fs.ErrExist) { // another process was first
			return LoadRoot(path)
		}
		return Root{}, fmt.Errorf("create root credentials: %w", err)
	}
	return r, nil
}

// LoadRoot reads the root credentials from the file at path; fs.ErrNotExist is in the error's chain when there is none.
func LoadRoot(path string) (Root, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Root{}, fmt.Errorf("read root credentials: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return Root{}, fmt.Errorf("root credentials %s can be read by others (mode %#o): run chmod 600 on the file, and delete it instead if "+
			"someone may have read it", path, mode)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Root{}, fmt.Errorf("read root credentials: %w", err)
	}
	var r Root
	if err := json.Unmarshal(b, &r); err != nil {
		return Root{}, fmt.Errorf("root credentials %s are damaged: %w; delete the file to get new ones", path, err)
	}
	if !accountForm.MatchString(r.Account) || !keyIDForm.MatchString(r.AccessKeyID) || len(r.SecretAccessKey) < secretLength {
		return Root{}, fmt.Errorf("root credentials %s are incomplete; delete the file to get new ones", path)
	}
	return r, nil
}

// create writes the file whole or not at all, and does not overwrite one.
func (r Root) create(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".credentials-*") // 0600
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
	return os.Link(f.Name(), path) // unlike a rename, fails when path is there
}

// random returns n letters of alphabet, each equally likely.
func random(alphabet string, n int) string {
	out := make([]byte, 0, n)
	limit := 256 - 256%len(alphabet)
	buf := make([]byte, 64)
	for len(out) < n {
		_, _ = rand.Read(buf) // never fails
		for _, b := range buf {
			if int(b) < limit && len(out) < n {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}
