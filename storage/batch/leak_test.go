package batch

import (
	"testing"

	"github.com/klauspost/compress/snappy"

	"weir/internal/leak"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

func snappyEncode(b []byte) []byte { return snappy.Encode(nil, b) }
