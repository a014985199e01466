package daemon

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"weir/internal/leak"
	"weir/node"
)

// The test binary is also the program that the node starts as a broker.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "broker" {
		if hindered(os.Args[3]) {
			fmt.Fprintln(os.Stderr, "error: something is in the way")
			os.Exit(1)
		}
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
	leak.VerifyTestMain(m)
}

// obstacle is a file in a broker's directory that keeps it from starting.
const obstacle = "obstacle"

func hindered(config string) bool {
	h, err := node.ReadHandover(config)
	if err != nil || h.Recoverer {
		return false
	}
	_, err = os.Stat(filepath.Join(h.Dir, obstacle))
	return err == nil
}
