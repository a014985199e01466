package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	// createTimeout bounds the creation of internal topics, and createRetry is how long a group waits after it failed.
	createTimeout = 30 * time.Second
	createRetry   = time.Second
)

// streamsWork is what streams groups need beyond their shard.
type streamsWork struct {
	// create creates topics with the broker's authority, and returns an outcome for each; nil: there is nobody who could.
	create func(context.Context, []StreamsTopic) []error
	jobs   jobs
}

// createMissing has the internal topics created that are missing. When this broker knows of them a heartbeat finds them.
func (g *streams) createMissing() {
	w := g.state.topicsOfStreams
	if g.creating || w.create == nil || len(g.config.missing) == 0 || time.Now().Before(g.createAgain) {
		return
	}
	missing := slices.Clone(g.config.missing)
	g.creating = w.jobs.start(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, createTimeout)
		defer cancel()
		errs := w.create(ctx, missing)
		_ = g.state.shard.Locked(func() { g.created(missing, errs) }) // closed: the next coordinator tries again
	})
}

// created takes over the outcomes.
func (g *streams) created(topics []StreamsTopic, errs []error) {
	g.creating, g.stale = false, true
	var failed []string
	for i, err := range errs {
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			failed = append(failed, fmt.Sprintf("%s (%s)", topics[i].Name, err))
			g.state.log.Warn("internal topic of a streams group not created", "group", g.id, "topic", topics[i].Name, "err", err)
		}
	}
	g.createAgain, g.createFailed = time.Now().Add(createRetry), strings.Join(failed[:min(len(failed), 3)], ", ")
	if n := len(failed) - 3; n > 0 {
		g.createFailed += fmt.Sprintf(" and %d more", n)
	}
}
