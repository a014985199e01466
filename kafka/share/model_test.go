package share

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// model is what members know, and all that a share partition promises them.
type model struct {
	r       *rig
	rnd     *rand.Rand
	held    map[int64]hold // what members think they hold
	settled map[int64]bool // accepted or rejected, and told so
	seen    map[int64]bool
}

type hold struct {
	member string
	until  time.Time
	count  int16
}

var modelMembers = []string{"a", "b", "c"}

func (m *model) fail(format string, args ...any) { m.r.t.Fatalf(format, args...) }

func (m *model) fetch() {
	member := pick(m.rnd, modelMembers)
	now := time.Now()
	a := Acquisition{Member: member, MaxRecords: 1 + m.rnd.IntN(40), BatchSize: 1 + m.rnd.IntN(20), Strict: m.rnd.IntN(3) == 0}
	got := m.r.fetch(a, 1+m.rnd.IntN(5))
	total := int64(0)
	last := int64(-1)
	for _, g := range got {
		if g.First <= last || g.Last < g.First {
			m.fail("ranges %v", got)
		}
		last = g.Last
		total += g.Last - g.First + 1
		for o := g.First; o <= g.Last; o++ {
			if h, ok := m.held[o]; ok && now.Before(h.until) {
				m.fail("offset %d goes to %s while %s has it until %v", o, member, h.member, h.until.Sub(now))
			}
			if m.settled[o] {
				m.fail("offset %d is delivered again although its end was confirmed", o)
			}
			if int(g.Count) > m.r.limits.Deliveries {
				m.fail("offset %d is delivered for the %d. time", o, g.Count)
			}
			if o < m.r.log.start {
				m.fail("offset %d is below the log start %d", o, m.r.log.start)
			}
			m.held[o] = hold{member, now.Add(m.r.limits.LockDuration), g.Count}
			m.seen[o] = true
		}
	}
	if a.Strict && total > int64(a.MaxRecords) {
		m.fail("%d records for a strict limit of %d", total, a.MaxRecords)
	}
}

// ack acknowledges some of what one member holds.
func (m *model) ack() {
	member := pick(m.rnd, modelMembers)
	now := time.Now()
	var acks []Acknowledgement
	first := int64(-1)
	for o := m.r.log.start; o < m.r.log.end(); o++ {
		if h, ok := m.held[o]; ok && h.member == member && now.Before(h.until) && m.rnd.IntN(4) > 0 {
			if n := len(acks); n > 0 && acks[n-1].Last+1 == o {
				acks[n-1].Last = o
				acks[n-1].Types = append(acks[n-1].Types, m.kind())
				continue
			}
			if len(acks) == 3 {
				break
			}
			acks = append(acks, Acknowledgement{First: o, Last: o, Types: []int8{m.kind()}})
			if first < 0 {
				first = o
			}
		}
	}
	if len(acks) == 0 {
		return
	}
	until := now.Add(m.r.limits.LockDuration)
	done := make(chan error, 1)
	part := m.r.part
	part.Acknowledge(member, acks, func(err error) { done <- err })
	synctest.Wait() // other members go on while it is written
	if len(done) == 0 && m.rnd.IntN(2) == 0 {
		m.fetch()
	}
	err := <-done
	var code *kerr.Error
	if err != nil && !errors.As(err, &code) {
		m.fail("%v", err)
	}
	for _, a := range acks {
		for i, t := range a.Types {
			o := a.First + int64(i)
			switch {
			case code == kerr.InvalidRecordState, code == kerr.InvalidRequest:
				m.fail("acknowledging %d, which %s holds: %v", o, member, err)
			case err != nil: // unknown: it may have been written
				if Ack(t) != Renew {
					delete(m.held, o)
				}
			case Ack(t) == Renew:
				h := m.held[o]
				h.until = until
				m.held[o] = h
			case Ack(t) == Release:
				delete(m.held, o)
			default:
				delete(m.held, o)
				m.settled[o] = true
			}
		}
	}
}

func (m *model) kind() int8 {
	return int8(pick(m.rnd, []Ack{Accept, Accept, Accept, Release, Release, Reject, Gap, Renew}))
}

func (m *model) step() {
	switch n := m.rnd.IntN(100); {
	case n < 40:
		m.fetch()
	case n < 75:
		m.ack()
	case n < 85:
		if m.r.log.end() < 400 {
			m.r.produce(1 + m.rnd.Int64N(20))
			m.r.log.batches[len(m.r.log.batches)-1].Aborted = m.rnd.IntN(8) == 0
		}
	case n < 93:
		time.Sleep(time.Duration(m.rnd.IntN(20)) * time.Second)
	case n < 95:
		member := pick(m.rnd, modelMembers)
		m.r.part.ReleaseMember(member)
		synctest.Wait()
		for o, h := range m.held {
			if h.member == member {
				delete(m.held, o)
			}
		}
	case n < 97:
		m.r.restart()
		clear(m.held)
	default:
		if s := m.r.log.start + m.rnd.Int64N(10); s <= m.r.log.end() {
			m.r.log.start = s
			for o := range m.held {
				if o < s {
					delete(m.held, o)
				}
			}
		}
	}
	m.check()
}

// check looks at what must always be true inside.
func (m *model) check() {
	p := m.r.part
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.start
	for i := range p.runs {
		r := &p.runs[i]
		if r.first != at || r.last < r.first {
			m.fail("runs do not cover [%d, %d): %+v", p.start, p.end, p.runs)
		}
		if (r.fate == acquired) != (r.member != "") || r.fate.terminal() && r.pending != nil {
			m.fail("run %+v", r)
		}
		at = r.last + 1
	}
	if p.loaded && at != p.end {
		m.fail("runs end at %d, the end is %d", at, p.end)
	}
}

// drain accepts all that can be had, until nothing is left.
func (m *model) drain() {
	m.r.store.misbehave(0, nil)
	time.Sleep(2 * m.r.limits.LockDuration)
	for range 5000 {
		got := m.r.fetch(Acquisition{Member: "a", MaxRecords: 500, BatchSize: 100}, 100)
		for _, g := range got {
			for o := g.First; o <= g.Last; o++ {
				m.seen[o] = true
				if m.settled[o] {
					m.fail("offset %d is delivered again although its end was confirmed", o)
				}
			}
			if err := m.r.ack("a", all(g.First, g.Last, Accept)); err != nil {
				m.fail("drain: %v", err)
			}
		}
		synctest.Wait()
		if m.r.part.start >= m.r.log.end() {
			break
		}
	}
	if m.r.part.start != m.r.log.end() {
		m.fail("records from %d to %d never ended: %+v", m.r.part.start, m.r.log.end(), m.r.part.runs)
	}
	for _, b := range m.r.log.batches {
		for o := max(b.First, m.r.log.start); o <= b.Last; o++ {
			if !b.Aborted && !m.seen[o] {
				m.fail("offset %d was never delivered", o)
			}
		}
	}
}

// TestMembersNeverShareARecord runs random histories: members that fetch and acknowledge, a coordinator that dawdles and fails before and after it
// has written, leaders that come and go, retention. No record is two members' at once, none whose end was confirmed comes back, and all end.
func TestMembersNeverShareARecord(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				m := &model{r: r, rnd: rand.New(rand.NewPCG(seed, 7)), held: map[int64]hold{}, settled: map[int64]bool{}, seen: map[int64]bool{}}
				r.limits.Locks = 20 + m.rnd.IntN(200)
				r.limits.Deliveries = 2 + m.rnd.IntN(6)
				delay := time.Duration(m.rnd.IntN(3)) * time.Second
				r.store.misbehave(delay, nil)
				if seed%3 != 0 {
					luck := rand.New(rand.NewPCG(seed, 8)) // the store's own: it is asked from other goroutines
					r.store.misbehave(delay, func() (before, after error) {
						switch luck.IntN(12) {
						case 0:
							return kerr.CoordinatorNotAvailable, nil
						case 1:
							return nil, kerr.CoordinatorNotAvailable
						}
						return nil, nil
					})
				}
				for range 300 {
					m.step()
				}
				m.drain()
			})
		})
	}
}
