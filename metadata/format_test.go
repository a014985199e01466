package metadata_test

import (
	"errors"
	"testing"

	"weir/metadata"
)

func TestCheckFormatRefusesNewerDataWithoutWriting(t *testing.T) {
	m := metadata.NewMem()
	defer m.Close()
	if err := errors.Join(metadata.CheckFormat(t.Context(), m), metadata.CheckFormat(t.Context(), m)); err != nil {
		t.Fatal(err)
	}
	rev, err := m.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put(metadata.FormatKey, []byte(`{"version":2,"more":true}`))}})
	if err != nil {
		t.Fatal(err)
	}
	var newer *metadata.NewerFormatError
	if err := metadata.CheckFormat(t.Context(), m); !errors.As(err, &newer) || newer.Found != 2 {
		t.Errorf("CheckFormat = %v; want a NewerFormatError", err)
	}
	if m.Revision() != rev {
		t.Error("CheckFormat wrote")
	}
}
