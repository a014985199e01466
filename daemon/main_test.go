package daemon

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// The test binary is also the program that the node starts as a broker.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "broker" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := RunBroker(ctx, os.Args[3])
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			if p, ok := IsProblem(err); ok {
				os.Exit(int(p.Code))
			}
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
