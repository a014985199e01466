package tier_test

import (
	"testing"

	"weir/internal/leak"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }
