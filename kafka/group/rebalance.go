package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// prepareRebalance starts a join phase. It is called in Empty, CompletingRebalance and Stable.
func (g *classic) prepareRebalance() {
	if g.status == CompletingRebalance {
		g.resetAssignments(kerr.RebalanceInProgress)
	}
	g.state.shard.Stop(g.syncTimer)
	now := time.Now()
	r := &g.rebalance
	r.initial = g.status == Empty
	if r.initial {
		r.limit = now.Add(g.rebalanceTimeout())
		g.extend(now)
	} else {
		r.limit = now.Add(g.rebalanceTimeout())
	}
	g.become(PreparingRebalance)
	g.advance()
}

// joinedNow is called when a member joined, or will not join any more, during a join phase.
func (g *classic) joinedNow(newMember bool) {
	if newMember {
		g.extend(time.Now())
	}
	g.advance()
}

// extend lets an initial join phase wait for more members, now that one came. Crowds get more time: each of their members is late for
// the work that the others make.
func (g *classic) extend(now time.Time) {
	delay := min(g.state.settings.InitialRebalanceDelay, g.rebalanceTimeout())
	g.rebalance.quiet = now.Add(min(quietWindow+time.Duration(len(g.members))*quietPerMember, delay))
	g.rebalance.patience = now.Add(delay)
}

// advance ends the join phase if it is over, and otherwise sets the timer for when it may be.
func (g *classic) advance() {
	r := &g.rebalance
	now := time.Now()
	over := !now.Before(r.limit)
	next := r.limit
	if r.initial && !over {
		if r.patience.Before(next) {
			next = r.patience
		}
		switch {
		case !now.Before(r.patience):
			over = true
		case len(g.pending) > 0: // they come back with their ids at once, or not at all
		case now.Before(r.quiet):
			if r.quiet.Before(next) {
				next = r.quiet
			}
		default:
			over = true
		}
	} else if !over {
		over = g.allJoined()
	}
	g.state.shard.Stop(r.timer)
	if over {
		g.completeJoin()
		return
	}
	r.timer = g.state.shard.After(next.Sub(now), g.advance)
}

// completeJoin ends the join phase: who did not join again is out, the others form a new generation.
func (g *classic) completeJoin() {
	for _, m := range g.inOrder() {
		if m.joining == nil && m.instance == "" {
			g.remove(m)
		}
	}
	if len(g.members) > 0 && !g.electLeader() {
		// Only static members are left and none has joined. They keep their place until their sessions time out.
		g.rebalance.initial, g.rebalance.limit = false, time.Now().Add(g.rebalanceTimeout())
		g.rebalance.timer = g.state.shard.After(g.rebalanceTimeout(), g.advance)
		return
	}
	g.rebalance = rebalance{}
	g.generation++
	g.state.metrics.rebalances.Inc()
	clear(g.pendingSync)
	if len(g.members) == 0 {
		g.protocolName = ""
		g.become(Empty)
		if g.stored || len(g.offsets) > 0 {
			g.store(nil, func(err error) {
				if err != nil {
					g.state.log.Warn("empty generation not stored", "group", g.id, "err", err)
				}
			})
		}
		g.forgetIfUnused()
		return
	}
	g.protocolName = g.choose()
	g.become(CompletingRebalance)
	for _, m := range g.inOrder() {
		g.pendingSync[m.id] = true
		m.isNew = false
		g.heartbeat(m)
		m.replyJoin(g.joined(m))
	}
	g.syncTimer = g.state.shard.After(g.rebalanceTimeout(), g.expireUnsynced)
}

// inOrder returns the members, oldest first, as a copy.
func (g *classic) inOrder() []*member {
	ms := make([]*member, len(g.order))
	for i, id := range g.order {
		ms[i] = g.members[id]
	}
	return ms
}

// electLeader makes a member that has joined the leader, preferring the old one; false if nobody has.
func (g *classic) electLeader() bool {
	if m := g.members[g.leader]; m != nil && m.joining != nil {
		return true
	}
	for _, m := range g.inOrder() {
		if m.joining != nil {
			g.leader = m.id
			return true
		}
	}
	return false
}

// expireUnsynced expels the members that took their place in the generation and then did not ask for their assignment.
func (g *classic) expireUnsynced() {
	if g.status != CompletingRebalance && g.status != Stable || len(g.pendingSync) == 0 {
		return
	}
	for _, m := range g.inOrder() {
		if g.pendingSync[m.id] {
			m.replyJoin(JoinResult{Err: kerr.UnknownMemberID, Generation: -1, Member: m.id})
			g.remove(m)
		}
	}
	g.prepareRebalance()
}

// resetAssignments forgets the assignments and sends everyone who waits for one away.
func (g *classic) resetAssignments(err error) {
	for _, m := range g.members {
		m.assignment = nil
		if m.syncing != nil {
			g.heartbeat(m)
			m.replySync(SyncResult{Err: err})
		}
	}
}
