package metadata

import (
	"context"
	"errors"
	"fmt"
)

// Format is the version of the records and keys that this program writes. It grows with each change that an older program cannot
// read; a change of Root comes with it.
const Format = 1

// formatRecord is the record at FormatKey.
type formatRecord struct {
	Version int `json:"version"`
}

// NewerFormatError says that a newer program wrote the data.
type NewerFormatError struct {
	Where string // what was read: a file or a key
	Found int
}

func (e *NewerFormatError) Error() string {
	return fmt.Sprintf("%s has format %d, this program knows formats up to %d", e.Where, e.Found, Format)
}

// CheckFormat makes sure that the store's records are of a format that this program knows, and marks an empty store as its own.
// It returns a *NewerFormatError, and writes nothing, if they are not.
func CheckFormat(ctx context.Context, s Store) error {
	for {
		kv, ok, err := s.Get(ctx, FormatKey)
		if err != nil {
			return fmt.Errorf("read the metadata's format: %w", err)
		}
		if ok {
			r, err := Decode[formatRecord](kv)
			if err != nil {
				return err
			}
			if r.Version > Format {
				return &NewerFormatError{Where: "the metadata", Found: r.Version}
			}
			return nil
		}
		_, err = s.Commit(ctx, Txn{
			If:   []Cond{{Key: FormatKey}},
			Then: []Op{Put(FormatKey, Encode(formatRecord{Version: Format}))},
		})
		if !errors.Is(err, ErrConflict) {
			if err != nil {
				return fmt.Errorf("record the metadata's format: %w", err)
			}
			return nil
		}
	}
}
