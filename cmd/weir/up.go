package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"weir/daemon"
)

func newUp() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything on this machine: metadata, AWS APIs, and a demo cluster",
		Long: "up runs the control plane, the AWS APIs and the brokers on this machine until it is interrupted, and keeps all state in one directory.\n" +
			"Ctrl-C stops everything in order; a second one stops at once.",
		Example: "  weir up\n  weir up --data /var/lib/weir --api 127.0.0.1:4567 --demo=false",
		Args:    cobra.NoArgs,
	}
	var all []string // what can be set can be set here
	for _, s := range daemon.Settings() {
		all = append(all, s.Name)
	}
	load := settings(cmd, all...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		p := &progress{out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(), cfg: cfg}
		up, err := daemon.NewUp(cfg, daemon.Events{Opened: p.opened, Ready: p.ready, Cluster: p.cluster, Trouble: p.trouble})
		if err != nil {
			return err
		}
		ctx, stop := interruptible(cmd.Context(), p.stopping, up.Kill)
		defer stop()
		return up.Run(ctx)
	}
	return cmd
}

// sameInterrupt is within what time two signals are one: some parents send what their terminal sends as well.
const sameInterrupt = 250 * time.Millisecond

// interruptible returns a context that ends with the first interrupt or TERM signal, after first was called; the next one calls second, and a
// third ends the process on the spot.
func interruptible(parent context.Context, first, second func()) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var watching sync.WaitGroup
	watching.Go(func() {
		acts := []func(){func() { first(); cancel() }, second, func() { os.Exit(int(daemon.ExitInterrupted)) }}
		var last time.Time
		for range signals {
			if time.Since(last) < sameInterrupt {
				continue
			}
			last = time.Now()
			acts[0]()
			acts = acts[1:]
		}
	})
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		watching.Wait()
		cancel()
	}
}

// progress prints what a person sees of weir up.
type progress struct {
	out, errs io.Writer
	cfg       daemon.Config

	mu     sync.Mutex
	status daemon.Status
	tail   bool // the last lines are printed
	ending bool
}

func (p *progress) opened(string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	shown := p.cfg.Data
	if !filepath.IsAbs(shown) {
		shown = "." + string(filepath.Separator) + filepath.Clean(shown)
	}
	fmt.Fprintf(p.out, "weir %s  data: %s (kept between runs; delete the directory to start over)\n", daemon.Version, shown)
}

func (p *progress) ready(after time.Duration, s daemon.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = s
	fmt.Fprintf(p.out, "  control plane   ready   %5d ms\n", after.Milliseconds())
	if !p.cfg.Demo {
		p.finishLocked(s.Bootstrap())
	}
}

func (p *progress) cluster(after time.Duration, c daemon.ClusterStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return
	}
	fmt.Fprintf(p.out, "  cluster %-7s %-7s %5d ms   %d brokers, plaintext\n", c.Name, c.State, after.Milliseconds(), len(c.Brokers))
	p.finishLocked(c.Bootstrap)
}

func (p *progress) trouble(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.errs, "warning: no demo cluster: %s\n", oneLine(err.Error()))
	if f, ok := daemon.IsProblem(err); ok && f.Fix != "" {
		fmt.Fprintf(p.errs, "fix:     %s\n", oneLine(f.Fix))
	}
	p.finishLocked("")
}

func (p *progress) finishLocked(bootstrap string) {
	if p.tail || p.ending {
		return
	}
	p.tail = true
	if bootstrap != "" {
		bootstrap = "      bootstrap   " + bootstrap
	}
	fmt.Fprintf(p.out, "AWS APIs   %s%s\n", p.status.API, bootstrap)
	fmt.Fprintln(p.out, "Durable    an acknowledged record survives crashes and power cuts, not the loss of this disk")
	data := ""
	if p.cfg.Data != daemon.Default().Data {
		data = " --data " + quote(p.cfg.Data)
	}
	fmt.Fprintf(p.out, "Next:  eval \"$(%s env%s)\"\n", program(), data)
}

func (p *progress) stopping() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = true
	fmt.Fprintln(p.errs, "stopping; press Ctrl-C again to end at once")
}
