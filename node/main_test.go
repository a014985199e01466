package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/internal/leak"
)

// The test binary is also the broker program of the tests with real processes.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "broker" {
		os.Exit(fakeBroker(os.Args[3]))
	}
	leak.VerifyTestMain(m)
}

// fakeBroker does what a broker process does to its node. Properties choose how it behaves.
func fakeBroker(config string) int {
	h, err := ReadHandover(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	term, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var release func()
	var listeners []net.Listener
	if h.Successor {
		switch h.Properties["mode"] {
		case "fail":
			fmt.Fprintln(os.Stderr, "error: the log is corrupt")
			return 1
		case "slow":
			<-term.Done()
			return 1
		}
		s, err := StandBy(h)
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			return 1
		}
		defer s.Close()
		if err = s.Await(term); err == nil {
			release, err = s.Claim(term)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			return 1
		}
		listeners = s.Sockets()
	} else {
		release, err = Claim(h)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		if errors.Is(err, ErrClaimed) {
			return ExitClaimed
		}
		return 1
	}
	defer release()
	if h.Recoverer {
		return fakeRecoverer(term, h)
	}
	if h.Properties["mode"] == "mute" {
		<-term.Done()
		return 1
	}
	if strings.HasPrefix(h.Properties["mode"], "fail") {
		fmt.Fprintln(os.Stderr, "error: the log is corrupt")
		return 1
	}
	if len(listeners) == 0 {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", h.Endpoints[0].Host, h.Endpoints[0].Port))
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			return ExitAddressInUse
		}
		listeners = []net.Listener{l}
	}
	defer listeners[0].Close()
	relay, err := NewRelay(h.Dir, listeners)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = relay.Run(term) })
	serving.Go(func() { greet(listeners[0]) })
	NotifyReady(h)
	<-term.Done()
	switch h.Properties["mode"] {
	case "stubborn":
		select {}
	case "together":
		awaitOthers(h)
	}
	_ = listeners[0].Close()
	serving.Wait()
	return 0
}

// awaitOthers returns when all three brokers of the cluster are told to end.
func awaitOthers(h *Handover) {
	cluster := filepath.Dir(h.Dir)
	if err := os.WriteFile(filepath.Join(cluster, fmt.Sprint("told-", h.Broker)), nil, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	for ; ; <-time.After(5 * time.Millisecond) {
		if told, _ := filepath.Glob(filepath.Join(cluster, "told-*")); len(told) == 3 {
			return
		}
	}
}

// fakeRecoverer gives away what the broker led when the file "left" is there.
func fakeRecoverer(ctx context.Context, h *Handover) int {
	if h.Properties["mode"] == "fail all" {
		fmt.Fprintln(os.Stderr, "error: the log is corrupt for recoverers too")
		return 1
	}
	NotifyReady(h)
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for {
		if _, err := os.Stat(filepath.Join(h.Dir, "left")); err == nil {
			return ExitRecovered
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return 1
		}
	}
}

// greet tells whoever connects which process it is, until the listener is closed.
func greet(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprintln(c, os.Getpid())
		_ = c.Close()
	}
}
