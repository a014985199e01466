package batch

import (
	"testing"

	"github.com/klauspost/compress/snappy"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func snappyEncode(b []byte) []byte { return snappy.Encode(nil, b) }
