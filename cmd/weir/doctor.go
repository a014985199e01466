package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/daemon"
)

func newDoctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check all that the brokers have stored",
		Long: "doctor reads every byte that the brokers of the data directory have stored, and checks checksums, references and the invariants of the logs.\n" +
			"It changes nothing, and needs no weir up; brokers that run meanwhile go on. Exit codes: 0 healthy, 1 something to look at, 2 damage.",
		Example: "  weir doctor\n  weir doctor --output json",
		Args:    cobra.NoArgs,
	}
	load := settings(cmd, "data")
	output := cmd.Flags().StringP("output", "o", "text", "text or json")
	notes := cmd.Flags().Bool("notes", false, "also show what is no fault, such as files that wait for collection")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		if *output != "text" && *output != "json" {
			return &daemon.Problem{What: fmt.Sprintf("--output %q is unknown", *output), Fix: "use text or json", Code: daemon.ExitUsage}
		}
		reports := []daemon.DoctorReport{}
		show := &progressLine{w: cmd.ErrOrStderr(), terminal: isTerminal(cmd.ErrOrStderr()), begin: time.Now()}
		health, err := daemon.Doctor(cmd.Context(), cfg.Data, show.doing, func(r daemon.DoctorReport) {
			show.clear()
			reports = append(reports, r)
			if *output == "text" {
				writeDoctorReport(cmd.OutOrStdout(), &r, *notes)
			}
		})
		show.clear()
		if err != nil {
			return err
		}
		if *output == "json" {
			if err := writeJSON(cmd.OutOrStdout(), reports); err != nil {
				return err
			}
		}
		switch health {
		case daemon.Healthy:
			return nil
		case daemon.Degraded:
			return exitError(exitDegraded)
		default:
			return exitError(exitDown)
		}
	}
	return cmd
}

func writeDoctorReport(w io.Writer, r *daemon.DoctorReport, notes bool) {
	verdict := "healthy"
	switch r.Severity {
	case "warning":
		verdict = "WARNING"
	case "damage":
		verdict = "DAMAGE"
	}
	live := ""
	if r.Live {
		live = ", while it runs"
	}
	fmt.Fprintf(w, "%s: %s (%s checked%s: %d partitions, %d journal files with %d entries, %d containers with %d chunks)\n",
		r.Broker, verdict, size(r.Bytes), live, r.Partitions, r.Files, r.Entries, r.Containers, r.Chunks)
	hidden := 0
	for _, f := range r.Findings {
		if f.Severity == "note" && !notes {
			hidden++
			continue
		}
		fmt.Fprintf(w, "  %s: %s: %s\n", f.Severity, f.File, f.What)
		if len(f.Partitions) > 0 {
			fmt.Fprintf(w, "    partitions: %s\n", some(f.Partitions))
		}
		fmt.Fprintf(w, "    do: %s\n", f.Do)
	}
	if hidden > 0 {
		fmt.Fprintf(w, "  %d notes (--notes shows them)\n", hidden)
	}
}

// someMax is how many names are shown before the rest is counted.
const someMax = 10

func some(names []string) string {
	if len(names) <= someMax {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:someMax], ", "), len(names)-someMax)
}

func size(bytes int64) string {
	const unit = 1024
	switch {
	case bytes < unit:
		return fmt.Sprintf("%d B", bytes)
	case bytes < unit*unit:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/unit)
	case bytes < unit*unit*unit:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/unit/unit)
	default:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/unit/unit/unit)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// progressLine shows on a terminal what long work is doing, once it turns out to be long.
type progressLine struct {
	w           io.Writer
	terminal    bool
	begin, last time.Time
	shown       bool
}

const (
	progressAfter = 300 * time.Millisecond
	progressEvery = 100 * time.Millisecond
)

func (p *progressLine) doing(broker, what string, bytes int64) {
	now := time.Now()
	if !p.terminal || now.Sub(p.begin) < progressAfter || now.Sub(p.last) < progressEvery {
		return
	}
	p.last, p.shown = now, true
	fmt.Fprintf(p.w, "\r\x1b[K%s: %s, %s", broker, what, size(bytes))
}

func (p *progressLine) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
