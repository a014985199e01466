package balance

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/kafka/topic"
	"weir/metadata"
)

// Config says whose balancer it is. A zero field means its default.
type Config struct {
	Cluster string // uuid in metadata keys
	Broker  metadata.BrokerID
	Moves   int           // partitions that are copied at once, in the whole cluster; 10
	Tick    time.Duration // between looks that nothing woke; 500 ms
	Level   time.Duration // between rounds of levelling, and of measuring load; 30 s
	Rest    time.Duration // a leader that was moved because of load stays so long; 10 min
}

func (c *Config) setDefaults() {
	if c.Moves <= 0 {
		c.Moves = 10
	}
	if c.Tick <= 0 {
		c.Tick = 500 * time.Millisecond
	}
	if c.Level <= 0 {
		c.Level = 30 * time.Second
	}
	if c.Rest <= 0 {
		c.Rest = 10 * time.Minute
	}
}

// Deps are what a Balancer works with. All but Registerer are required.
type Deps struct {
	Log    *slog.Logger
	Store  metadata.Store
	Image  *image.Live // run by the caller
	Topics *topic.Admin
	// Traffic asks a broker what the partitions that it leads have carried.
	Traffic    func(context.Context, metadata.BrokerID) ([]partition.Traffic, error)
	Registerer prometheus.Registerer // nil: metrics are counted and not shown
}

// Balancer moves partitions while its broker is the controller.
type Balancer struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *metrics

	// Of the time as the controller; the next one needs nothing of it.
	acting     bool
	status     metadata.BalanceStatus // as it is written
	revision   metadata.Revision      // of status; 0: there is none yet
	written    time.Time
	moved      int64               // is to be in the status
	underWay   map[spotKey]journey // at the last look
	looked     *image.Image
	meter      *meter
	levelling  bool // load was too uneven, and is not yet even
	preferring bool // leaders are being given back
	prefers    time.Time
	serving    map[metadata.BrokerID]metadata.Revision
}

// journey is a move that was begun.
type journey struct {
	target metadata.BrokerID
	seen   bool // in the metadata
}

type spotKey struct {
	topic metadata.TopicID
	index int32
}

// New returns a Balancer that does nothing before Run.
func New(cfg Config, deps Deps) *Balancer {
	cfg.setDefaults()
	return &Balancer{cfg: cfg, deps: deps, log: deps.Log.With("broker", int32(cfg.Broker)), metrics: newMetrics(deps.Registerer)}
}

// pauseMin is the least time between two looks.
const pauseMin = 20 * time.Millisecond

// Run looks whenever the metadata change, and from time to time, until ctx ends.
func (b *Balancer) Run(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	defer b.deps.Image.OnChange(func(*image.Image) {
		select {
		case wake <- struct{}{}:
		default: // it will look anyway
		}
	})()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		began := time.Now()
		if err := b.look(ctx, b.deps.Image.Current()); err != nil && ctx.Err() == nil {
			b.log.Warn("partitions could not be balanced yet", "err", err)
			b.acting, b.looked = false, nil // what is known of the status may be out of date
		}
		// A look at a large cluster takes its time, and the metadata change all the time while partitions move.
		if !sleep(ctx, max(pauseMin, 4*time.Since(began))) {
			return context.Cause(ctx)
		}
		timer.Reset(b.cfg.Tick)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// look does what is to be done now.
func (b *Balancer) look(ctx context.Context, img *image.Image) error {
	if c, ok := img.Controller(); !ok || c.Broker != b.cfg.Broker {
		b.acting, b.underWay, b.moved, b.meter, b.serving = false, nil, 0, nil, nil
		b.metrics.rest()
		return nil
	}
	now := time.Now()
	if !b.acting {
		if err := b.begin(ctx, now); err != nil {
			return err
		}
	}
	settings := img.Settings()
	if settings == nil {
		settings = &metadata.Settings{}
	}
	in := Input{Image: img, Spread: b.status.Spread, Moves: b.cfg.Moves}
	b.whenToPrefer(&in, now)
	if settings.Balance.Active {
		b.measure(ctx, &in, now)
	}
	if img == b.looked && !in.Prefer && !in.Level && b.moved == b.status.Moved {
		return nil // nothing has changed
	}
	if b.idle(settings, &in) {
		return b.write(ctx, now, metadata.BalanceStatus{Settings: settings.Number, Spread: b.status.Spread, Moved: b.moved})
	}
	p := Look(in)
	b.looked = img
	b.settle(img)
	err := b.make(ctx, img, &in, &p, now)
	b.metrics.moving.Set(float64(p.Moving))
	b.metrics.remaining.Set(float64(p.Remaining))
	err = errors.Join(err, b.write(ctx, now, metadata.BalanceStatus{
		Settings: settings.Number, Spread: p.Spread, Remaining: p.Remaining, Moving: p.Moving, Moved: b.moved, Drained: p.Drained, Problem: p.Problem,
	}))
	return err
}

// begin is what a broker does that becomes the controller.
func (b *Balancer) begin(ctx context.Context, now time.Time) error {
	kv, found, err := b.deps.Store.Get(ctx, metadata.BalanceStatusKey(b.cfg.Cluster))
	if err != nil {
		return err
	}
	b.status, b.revision = metadata.BalanceStatus{}, kv.Modified
	if found {
		if b.status, err = metadata.Decode[metadata.BalanceStatus](kv); err != nil {
			return err
		}
	}
	b.moved = max(b.moved, b.status.Moved)
	if b.underWay == nil {
		b.underWay, b.levelling, b.preferring = make(map[spotKey]journey), false, false
		b.prefers = now.Add(b.preferEvery())
	}
	b.acting, b.looked = true, nil
	return nil
}

// idle reports whether nobody wants anything and nothing is under way, so that the image need not be looked through.
func (b *Balancer) idle(s *metadata.Settings, in *Input) bool {
	return len(s.Balance.Drain) == 0 && !in.Image.Recovering() && s.Balance.Spread <= b.status.Spread && !s.Balance.Active && !in.Prefer && b.status.Moving == 0 && len(b.underWay) == 0 &&
		b.revision != 0 && b.status.Settings == s.Number // the first look at new settings calls off what they do not want any more
}

// settle counts the moves that came to their end since the last look.
func (b *Balancer) settle(img *image.Image) {
	now := make(map[spotKey]journey)
	for _, t := range img.Topics() {
		for i := range t.Partitions {
			if as := &t.Partitions[i]; as.Target != 0 && as.Cause != "" {
				now[spotKey{t.ID, int32(i)}] = journey{as.Target, true}
			}
		}
	}
	for k, j := range b.underWay {
		if now[k].target == j.target {
			continue
		}
		t, ok := img.TopicByID(k.topic)
		switch {
		case ok && int(k.index) < len(t.Partitions) && t.Partitions[k.index].Leader == j.target:
			b.moved++
			b.metrics.done.Inc()
		case j.seen:
			b.metrics.calledOff.Inc()
		}
	}
	b.underWay = now
}

// make makes the moves of a plan, and remembers which were begun, so that they are counted even if they are over before the next look.
func (b *Balancer) make(ctx context.Context, img *image.Image, in *Input, p *Plan, now time.Time) error {
	var causes []string
	fewer, load, preferred := 0, 0, 0
	for i := range p.Moves {
		m := &p.Moves[i]
		k := spotKey{m.Topic, m.Partition}
		if m.Copies() {
			b.underWay[k] = journey{target: m.Leader}
		}
		switch m.Cause {
		case metadata.MoveLoad:
			b.meter.moved[k] = now
			load++
		case metadata.MovePreferred:
			preferred++
		case metadata.MoveDrain, metadata.MoveSpread, metadata.MoveRecover:
		}
		if m.Replicas != nil && len(m.Replicas) < len(m.Seen.Replicas)-len(m.Seen.Adding) {
			fewer++
		}
		if c := string(m.Cause); c != "" && !slices.Contains(causes, c) {
			causes = append(causes, c)
		}
	}
	b.levelling = b.levelling && (!in.Level || load > 0) || p.Skewed && !in.Level
	b.preferring = in.Prefer && (preferred > 0 || p.Moving > 0)
	if len(p.Moves) == 0 {
		return nil
	}
	done, begun, err := b.deps.Topics.Move(ctx, img, p.Moves)
	b.moved += int64(done)
	b.metrics.done.Add(float64(done))
	if done+begun > 0 {
		b.log.Info("partitions are balanced", "changed", done, "begun", begun, "causes", causes)
	}
	if fewer > 0 {
		b.log.Warn("partitions get fewer replicas, because fewer brokers remain", "partitions", fewer)
	}
	return err
}

// writeEvery is how often numbers in the status are brought up to date; what others wait for is written at once.
const writeEvery = 250 * time.Millisecond

// write publishes the status, if it says something new.
func (b *Balancer) write(ctx context.Context, now time.Time, s metadata.BalanceStatus) error {
	old := &b.status
	urgent := s.Settings != old.Settings || s.Spread != old.Spread || !slices.Equal(s.Drained, old.Drained) || (s.Problem == "") != (old.Problem == "") ||
		(s.Remaining == 0) != (old.Remaining == 0) || (s.Moving == 0) != (old.Moving == 0)
	same := s.Settings == old.Settings && s.Spread == old.Spread && s.Remaining == old.Remaining && s.Moving == old.Moving && s.Moved == old.Moved &&
		slices.Equal(s.Drained, old.Drained) && s.Problem == old.Problem
	if same && b.revision != 0 {
		return nil
	}
	if !urgent && now.Sub(b.written) < writeEvery {
		b.looked = nil // the next look writes it
		return nil
	}
	key := metadata.BalanceStatusKey(b.cfg.Cluster)
	rev, err := b.deps.Store.Commit(ctx, metadata.Txn{
		If: []metadata.Cond{{Key: key, Modified: b.revision}}, Then: []metadata.Op{metadata.Put(key, metadata.Encode(s))},
	})
	if errors.Is(err, metadata.ErrConflict) {
		b.acting = false // somebody else is the controller, or was until now: read it again
		return nil
	}
	if err != nil {
		return err
	}
	b.status, b.revision, b.written = s, rev, now
	return nil
}
