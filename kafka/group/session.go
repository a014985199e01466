package group

import "github.com/twmb/franz-go/pkg/kerr"

// Beat is a Heartbeat request.
type Beat struct {
	Group      string
	Generation int32
	Member     string
	Instance   string
}

// beat answers a heartbeat.
func (s *state) beat(b Beat) error {
	if c := s.consumer(b.Group); c != nil && !c.dying {
		return c.beat(b)
	}
	g := s.classic(b.Group)
	if g == nil {
		return kerr.UnknownMemberID
	}
	if g.dying {
		return kerr.CoordinatorNotAvailable
	}
	m, err := g.check(b.Member, b.Instance)
	switch {
	case err != nil:
		return err
	case b.Generation != g.generation:
		return kerr.IllegalGeneration
	}
	g.heartbeat(m)
	if g.status == PreparingRebalance {
		return kerr.RebalanceInProgress
	}
	return nil
}

// Leaving names a member that leaves: by its id, or a static one by its instance alone.
type Leaving struct {
	Member   string
	Instance string
}

// leave removes the members and returns the outcome for each.
func (s *state) leave(id string, members []Leaving) []error {
	if c := s.consumer(id); c != nil && !c.dying {
		return c.leaveClassic(members)
	}
	out := make([]error, len(members))
	g := s.classic(id)
	for i, l := range members {
		switch {
		case g == nil:
			out[i] = kerr.UnknownMemberID
		case g.dying:
			out[i] = kerr.CoordinatorNotAvailable
		default:
			out[i] = g.leaves(l)
		}
	}
	if g != nil {
		g.forgetIfUnused()
	}
	return out
}

func (g *classic) leaves(l Leaving) error {
	if l.Instance != "" && l.Member == "" {
		l.Member = g.static[l.Instance] // "" if unknown, which check refuses
	}
	if _, ok := g.pending[l.Member]; ok && l.Instance == "" {
		g.dropPending(l.Member)
		if g.status == PreparingRebalance {
			g.joinedNow(false)
		}
		return nil
	}
	m, err := g.check(l.Member, l.Instance)
	if err != nil {
		return err
	}
	g.state.log.Debug("group member leaves", "group", g.id, "member", m.id)
	g.expel(m)
	return nil
}
