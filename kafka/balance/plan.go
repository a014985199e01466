package balance

import (
	"cmp"
	"slices"

	"weir/kafka/image"
	"weir/kafka/topic"
	"weir/metadata"
)

// Input is what a plan is made from.
type Input struct {
	Image *image.Image
	// Spread is the newest round of spreading that is done.
	Spread int64
	// Prefer asks to give leaders back to preferred brokers, of which more than Percentage percent are led elsewhere.
	Prefer     bool
	Percentage float64
	// Level asks to level load; it counts only while the cluster balances itself. Weigh is the load of a partition, in bytes a second; nil: all are alike.
	// Rests says which partitions were moved so recently that their leaders stay for now; nil: none.
	Level bool
	Weigh func(metadata.TopicID, int32) float64
	Rests func(metadata.TopicID, int32) bool
	// Moves is how many partitions are copied at once.
	Moves int
}

// Plan is what to do now, and how far the work is.
type Plan struct {
	// Moves are to be made, the copying ones as many as the bound allows.
	Moves []topic.Move
	// Remaining partitions are still to move for Drain and Spread, of which, and of others, Moving are on their way.
	Remaining, Moving int
	// Drained are the brokers that are to be emptied and are.
	Drained []metadata.BrokerID
	// Spread is the newest round of spreading that is done.
	Spread int64
	// Problem says why something does not move.
	Problem string
	// Skewed says that load is so uneven that levelling should begin.
	Skewed bool
}

// Look plans. It changes nothing, and says the same of the same input.
func Look(in Input) Plan {
	var b metadata.Balance
	if s := in.Image.Settings(); s != nil {
		b = s.Balance
	}
	m := newModel(in.Image, in.Weigh)
	p := Plan{Spread: in.Spread}
	var off []topic.Move
	spreading := b.Spread > in.Spread
	for _, s := range m.spots {
		if s.seen.Cause == "" || s.seen.Target == 0 {
			continue
		}
		if s.seen.Cause == metadata.MoveDrain && !m.touchesDrained(s) {
			off = append(off, s.callOff()) // nobody wants it any more
			continue
		}
		if s.seen.Cause == metadata.MoveRecover && m.ready(s.seen.Leader) {
			off = append(off, s.callOff()) // its leader is back before others had its data
			continue
		}
		p.Moving++
		if s.seen.Cause == metadata.MoveSpread && spreading && !m.touchesDrained(s) {
			p.Remaining++
		}
	}
	m.room = max(in.Moves-p.Moving, 0)
	stuck := m.recover()
	drains, problem := m.drain()
	p.Remaining += drains
	p.Problem = cmp.Or(stuck, problem)
	switch {
	case in.Image.Recovering(), drains > 0: // first things first
	case spreading:
		p.Remaining += m.unspread(in)
		if m.spread(); p.Remaining == 0 {
			p.Spread = b.Spread
		}
	case b.Active:
		m.even()
		p.Skewed = m.skewed()
		if in.Level {
			m.level(func(s *spot) bool { return in.Rests != nil && in.Rests(s.topic.ID, s.index) })
		}
	case in.Prefer:
		m.prefer(in.Percentage)
	}
	p.Moves = slices.Concat(off, m.moves())
	for _, id := range b.Drain {
		if !slices.ContainsFunc(m.spots, func(s *spot) bool { return m.holds(s, id) }) {
			p.Drained = append(p.Drained, id)
		}
	}
	return p
}

// unspread counts the partitions that spreading would still change if it could copy as many at once as it liked.
func (m *model) unspread(in Input) (n int) {
	whole := newModel(in.Image, in.Weigh)
	whole.room = len(whole.spots)
	whole.spread()
	for _, s := range whole.spots {
		if s.changed() {
			n++
		}
	}
	return n
}

// moves are those that the model came to. Of those of drains and recoverers, which did not ask, as many copy as there is room for.
func (m *model) moves() (out []topic.Move) {
	room := m.room
	for _, s := range m.spots {
		if !s.changed() {
			continue
		}
		move := s.move()
		if (s.cause == metadata.MoveDrain || s.cause == metadata.MoveRecover) && move.Copies() && s.seen.Cause == "" { // one that goes elsewhere than it did has its place already
			if room == 0 {
				continue
			}
			room--
		}
		out = append(out, move)
	}
	return out
}

// holds reports whether a broker has anything of a partition, or may have.
func (m *model) holds(s *spot, b metadata.BrokerID) bool {
	a := s.seen
	return a.Leader == b || a.Target == b || slices.Contains(a.Replicas, b) || slices.Contains(a.Former, b) && m.ready(b)
}
