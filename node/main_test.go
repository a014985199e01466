package node

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// The test binary is also the broker program of the tests with real processes.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "broker" {
		os.Exit(fakeBroker(os.Args[3]))
	}
	goleak.VerifyTestMain(m)
}

// fakeBroker does what a broker process does to its node. Properties choose how it behaves.
func fakeBroker(config string) int {
	h, err := ReadHandover(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	release, err := Claim(h)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		if errors.Is(err, ErrClaimed) {
			return ExitClaimed
		}
		return 1
	}
	defer release()
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	if h.Properties["mode"] == "fail" {
		fmt.Fprintln(os.Stderr, "error: the log is corrupt")
		return 1
	}
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", h.Endpoints[0].Host, h.Endpoints[0].Port))
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return ExitAddressInUse
	}
	defer l.Close()
	NotifyReady(h)
	<-term
	if h.Properties["mode"] == "stubborn" {
		select {}
	}
	return 0
}
