// Package topic changes topics: it creates, deletes and grows them and changes configs, each as a metadata transaction guarded by the
// revision of what it read. Whichever broker gets the request makes the change; there is no controller to ask.
//
// Non-obvious: a topic's record and its assignments are written in one transaction, so a reader never sees one without the other.
// Names that collide ("a.b" and "a_b") are checked against the image and not by the transaction: two brokers that create them
// at the same moment both succeed. Kafka refuses collisions only because of its metric names; Weir's are not affected.
package topic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/configdef"
	"weir/kafka/image"
	"weir/kafka/kind"
	"weir/metadata"
)

// Config says whom an Admin works for.
type Config struct {
	Cluster    string // uuid in metadata keys
	Broker     metadata.BrokerID
	Properties map[string]string // server.properties that the broker was started with
}

// Deps are what an Admin works with. The image must be kept running.
type Deps struct {
	Store metadata.Store
	Image *image.Live
	Log   *slog.Logger
}

// Admin makes changes. It is safe for concurrent use.
type Admin struct {
	cfg   Config
	store metadata.Store
	image *image.Live
	props *image.Static
	log   *slog.Logger
	next  *atomic.Uint32            // rotates the first replica of new partitions over the brokers
	take  func(partitions int) bool // nil: without a limit
	churn *kind.Churn
}

// New returns an Admin.
func New(cfg Config, deps Deps) *Admin {
	a := &Admin{cfg: cfg, store: deps.Store, image: deps.Image, props: image.NewStatic(cfg.Properties), log: deps.Log, next: new(atomic.Uint32), churn: kind.NewChurn(nil)}
	a.next.Store(uint32(cfg.Broker)) // brokers do not all begin with the same one
	return a
}

// Limited returns an Admin that asks take before it makes or deletes so many partitions of a topic, once it knows that nothing else stands against it. What
// take refuses gets THROTTLING_QUOTA_EXCEEDED (KIP-599).
func (a *Admin) Limited(take func(partitions int) bool) *Admin {
	l := *a
	l.take = take
	return &l
}

func (a *Admin) allow(partitions int) error {
	if a.take == nil || a.take(partitions) {
		return nil
	}
	return fault(kerr.ThrottlingQuotaExceeded, "The throttling quota has been exceeded.")
}

// Fault is a refusal that a client is told: a Kafka code and a sentence.
type Fault struct {
	Code    *kerr.Error
	Message string
}

func (f *Fault) Error() string { return f.Code.Message + ": " + f.Message }

// Unwrap makes errors.Is and errors.As see the code.
func (f *Fault) Unwrap() error { return f.Code }

func fault(code *kerr.Error, format string, args ...any) *Fault {
	return &Fault{Code: code, Message: fmt.Sprintf(format, args...)}
}

// PartitionsMax is how many partitions one request may create, as in Kafka.
const PartitionsMax = 10_000

// tries bounds how often a change is attempted when others change the same record in between.
const tries = 8

// Layers are the configs that hold on this broker, without a topic's own.
func (a *Admin) Layers() configdef.Layers { return a.layers(a.image.Current()) }

func (a *Admin) layers(img *image.Image) configdef.Layers {
	return configdef.Layers{
		Broker:         img.BrokerConfigs(strconv.Itoa(int(a.cfg.Broker))),
		ClusterDefault: img.BrokerConfigs(""),
		Static:         a.props.At(img),
	}
}

// settle waits until this broker's image shows the change, so that a client that asks the broker next sees it.
// The change is committed whatever happens here.
func (a *Admin) settle(ctx context.Context, rev metadata.Revision) {
	if _, err := a.image.Await(ctx, rev); err != nil {
		a.log.Debug("committed change not seen yet", "revision", rev, "err", err)
	}
	if img := a.image.Current(); kind.Of(img.Settings()).Changes > 0 {
		a.Observe(img)
	}
}

// unavailable turns an error of the store into what clients are told: a retriable code, as the change may or may not have happened.
func unavailable(err error) error {
	if errors.Is(err, metadata.ErrConflict) {
		return fault(kerr.RequestTimedOut, "Others changed the same metadata %d times in a row; try again.", tries)
	}
	return &wrapped{fault(kerr.RequestTimedOut, "The metadata store did not answer in time; the change may or may not have been made."), err}
}

// wrapped shows a Fault to clients and keeps the cause for the log.
type wrapped struct {
	*Fault
	cause error
}

func (w *wrapped) Unwrap() []error { return []error{w.Fault, w.cause} }
func (w *wrapped) Error() string   { return w.Fault.Error() + ": " + w.cause.Error() }
