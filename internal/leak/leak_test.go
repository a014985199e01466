package leak

import (
	"testing"
	"time"
)

func TestMain(m *testing.M) { VerifyTestMain(m) }

// What is left here ends, later than goleak would wait.
func TestGoroutinesMayTakeTheirTimeToEnd(t *testing.T) {
	running := make(chan struct{})
	go func() {
		close(running)
		<-time.After(2 * time.Second)
	}()
	<-running
}
