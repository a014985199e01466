package sharestate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/metadata"
)

// Client asks the share coordinators of the cluster: those of this broker without leaving the process. It tries again for a while what another
// try may mend. Its methods block until the answer is there or ctx ends; errors are Kafka's, wrapped.
type Client struct {
	Broker metadata.BrokerID
	Image  *image.Live
	Local  *Coordinator
	Remote func(ctx context.Context, to metadata.BrokerID, req kmsg.Request) (kmsg.Response, error)
}

const (
	// patience is how long one call tries again.
	patience = 15 * time.Second
	// Pause between two tries.
	pauseMin, pauseMax = 20 * time.Millisecond, time.Second
)

// route finds out whom to ask, and calls local or remote.
func (c *Client) route(ctx context.Context, k Key, local func(ctx context.Context) error, remote func(ctx context.Context, to metadata.BrokerID) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := pauseMin; ; pause = min(2*pause, pauseMax) {
		err := c.try(ctx, k, local, remote)
		var code *kerr.Error
		if err == nil || errors.As(err, &code) && !again(code) {
			return err
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("share partition %v: %w", k, err)
		}
	}
}

func again(code *kerr.Error) bool {
	return code == kerr.NotCoordinator || code == kerr.CoordinatorNotAvailable || code == kerr.CoordinatorLoadInProgress ||
		code == kerr.RequestTimedOut || code == kerr.BrokerNotAvailable || code == kerr.NotLeaderForPartition || code == kerr.NetworkException
}

func (c *Client) try(ctx context.Context, k Key, local func(ctx context.Context) error, remote func(ctx context.Context, to metadata.BrokerID) error) error {
	t, err := c.Local.EnsureTopic(ctx)
	if err != nil {
		return err
	}
	to := t.Partitions[PartitionFor(k, len(t.Partitions))].Leader
	if to == c.Broker {
		return local(ctx)
	}
	return remote(ctx, to)
}

// wait calls fn, which calls done, and returns what done was told.
func wait(ctx context.Context, fn func(done func(error))) error {
	out := make(chan error, 1)
	fn(func(err error) { out <- err })
	select {
	case err := <-out:
		return err
	case <-ctx.Done():
		return kerr.RequestTimedOut
	}
}

// request sends req to a broker, and expects a response of type R.
func request[R kmsg.Response](ctx context.Context, c *Client, to metadata.BrokerID, req kmsg.Request) (R, error) {
	resp, err := c.Remote(ctx, to, req)
	if err != nil {
		var none R
		return none, err
	}
	r, ok := resp.(R)
	if !ok {
		return r, fmt.Errorf("broker %d answered %T: %w", to, resp, kerr.UnknownServerError)
	}
	return r, nil
}

// fault is the error of a code and a message.
func fault(code int16, message *string) error {
	err := kerr.ErrorForCode(code)
	if err == nil {
		return nil
	}
	if message != nil {
		return fmt.Errorf("%w: %s", err, *message)
	}
	return err
}

var errAnswer = fmt.Errorf("the coordinator's answer is about something else: %w", kerr.UnknownServerError)

// InitializeState is Coordinator.Initialize, wherever the coordinator is.
func (c *Client) InitializeState(ctx context.Context, k Key, stateEpoch int32, start int64) error {
	return c.route(ctx, k, func(ctx context.Context) error {
		return wait(ctx, func(done func(error)) { c.Local.Initialize(ctx, k, stateEpoch, start, done) })
	}, func(ctx context.Context, to metadata.BrokerID) error {
		req := kmsg.NewPtrInitializeShareGroupStateRequest()
		p := kmsg.NewInitializeShareGroupStateRequestTopicPartition()
		p.Partition, p.StateEpoch, p.StartOffset = k.Partition, stateEpoch, start
		t := kmsg.NewInitializeShareGroupStateRequestTopic()
		t.TopicID, t.Partitions = k.Topic, []kmsg.InitializeShareGroupStateRequestTopicPartition{p}
		req.GroupID, req.Topics = k.Group, []kmsg.InitializeShareGroupStateRequestTopic{t}
		resp, err := request[*kmsg.InitializeShareGroupStateResponse](ctx, c, to, req)
		if err != nil {
			return err
		}
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return errAnswer
		}
		out := &resp.Topics[0].Partitions[0]
		return fault(out.ErrorCode, out.ErrorMessage)
	})
}

// DeleteState is Coordinator.Delete, wherever the coordinator is.
func (c *Client) DeleteState(ctx context.Context, k Key) error {
	return c.route(ctx, k, func(ctx context.Context) error {
		return wait(ctx, func(done func(error)) { c.Local.Delete(ctx, k, done) })
	}, func(ctx context.Context, to metadata.BrokerID) error {
		req := kmsg.NewPtrDeleteShareGroupStateRequest()
		p := kmsg.NewDeleteShareGroupStateRequestTopicPartition()
		p.Partition = k.Partition
		t := kmsg.NewDeleteShareGroupStateRequestTopic()
		t.TopicID, t.Partitions = k.Topic, []kmsg.DeleteShareGroupStateRequestTopicPartition{p}
		req.GroupID, req.Topics = k.Group, []kmsg.DeleteShareGroupStateRequestTopic{t}
		resp, err := request[*kmsg.DeleteShareGroupStateResponse](ctx, c, to, req)
		if err != nil {
			return err
		}
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return errAnswer
		}
		out := &resp.Topics[0].Partitions[0]
		return fault(out.ErrorCode, out.ErrorMessage)
	})
}

// WriteState is Coordinator.Write, wherever the coordinator is.
func (c *Client) WriteState(ctx context.Context, k Key, w Write) error {
	return c.route(ctx, k, func(ctx context.Context) error {
		return wait(ctx, func(done func(error)) { c.Local.Write(ctx, k, w, done) })
	}, func(ctx context.Context, to metadata.BrokerID) error {
		req := kmsg.NewPtrWriteShareGroupStateRequest()
		p := kmsg.NewWriteShareGroupStateRequestTopicPartition()
		p.Partition, p.StateEpoch, p.LeaderEpoch, p.StartOffset, p.DeliveryCompleteCount = k.Partition, w.StateEpoch, w.LeaderEpoch, w.Start, w.Complete
		p.StateBatches = make([]kmsg.WriteShareGroupStateRequestTopicPartitionStateBatch, len(w.Batches))
		for i, b := range w.Batches {
			out := &p.StateBatches[i]
			out.FirstOffset, out.LastOffset, out.DeliveryState, out.DeliveryCount = b.First, b.Last, int8(b.State), b.Count
		}
		t := kmsg.NewWriteShareGroupStateRequestTopic()
		t.TopicID, t.Partitions = k.Topic, []kmsg.WriteShareGroupStateRequestTopicPartition{p}
		req.GroupID, req.Topics = k.Group, []kmsg.WriteShareGroupStateRequestTopic{t}
		resp, err := request[*kmsg.WriteShareGroupStateResponse](ctx, c, to, req)
		if err != nil {
			return err
		}
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return errAnswer
		}
		out := &resp.Topics[0].Partitions[0]
		return fault(out.ErrorCode, out.ErrorMessage)
	})
}

// ReadState is Coordinator.Read, wherever the coordinator is.
func (c *Client) ReadState(ctx context.Context, k Key, leaderEpoch int32) (State, error) {
	answer := make(chan State, 1) // not a variable: a call that was given up may still be answered
	err := c.route(ctx, k, func(ctx context.Context) error {
		return wait(ctx, func(done func(error)) {
			c.Local.Read(ctx, k, leaderEpoch, func(s State, err error) {
				offer(answer, s)
				done(err)
			})
		})
	}, func(ctx context.Context, to metadata.BrokerID) error {
		req := kmsg.NewPtrReadShareGroupStateRequest()
		p := kmsg.NewReadShareGroupStateRequestTopicPartition()
		p.Partition, p.LeaderEpoch = k.Partition, leaderEpoch
		t := kmsg.NewReadShareGroupStateRequestTopic()
		t.TopicID, t.Partitions = k.Topic, []kmsg.ReadShareGroupStateRequestTopicPartition{p}
		req.GroupID, req.Topics = k.Group, []kmsg.ReadShareGroupStateRequestTopic{t}
		resp, err := request[*kmsg.ReadShareGroupStateResponse](ctx, c, to, req)
		if err != nil {
			return err
		}
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return errAnswer
		}
		out := &resp.Topics[0].Partitions[0]
		s := State{StateEpoch: out.StateEpoch, LeaderEpoch: leaderEpoch, Start: out.StartOffset, Complete: -1}
		for _, b := range out.StateBatches {
			s.Batches = append(s.Batches, Batch{First: b.FirstOffset, Last: b.LastOffset, State: DeliveryState(b.DeliveryState), Count: b.DeliveryCount})
		}
		offer(answer, s)
		return fault(out.ErrorCode, out.ErrorMessage)
	})
	if err != nil {
		return State{}, err
	}
	return <-answer, nil
}

// StateSummary is Coordinator.Summary, wherever the coordinator is. The start offset of a state that there is not is -1.
func (c *Client) StateSummary(ctx context.Context, k Key) (State, error) {
	answer := make(chan State, 1)
	err := c.route(ctx, k, func(ctx context.Context) error {
		return wait(ctx, func(done func(error)) {
			c.Local.Summary(ctx, k, func(s State, known bool, err error) {
				if !known {
					s.Start, s.Complete = -1, -1
				}
				offer(answer, s)
				done(err)
			})
		})
	}, func(ctx context.Context, to metadata.BrokerID) error {
		req := kmsg.NewPtrReadShareGroupStateSummaryRequest()
		p := kmsg.NewReadShareGroupStateSummaryRequestTopicPartition()
		p.Partition = k.Partition
		t := kmsg.NewReadShareGroupStateSummaryRequestTopic()
		t.TopicID, t.Partitions = k.Topic, []kmsg.ReadShareGroupStateSummaryRequestTopicPartition{p}
		req.GroupID, req.Topics = k.Group, []kmsg.ReadShareGroupStateSummaryRequestTopic{t}
		resp, err := request[*kmsg.ReadShareGroupStateSummaryResponse](ctx, c, to, req)
		if err != nil {
			return err
		}
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return errAnswer
		}
		out := &resp.Topics[0].Partitions[0]
		offer(answer, State{StateEpoch: out.StateEpoch, LeaderEpoch: out.LeaderEpoch, Start: out.StartOffset, Complete: out.DeliveryCompleteCount})
		return fault(out.ErrorCode, out.ErrorMessage)
	})
	if err != nil {
		return State{}, err
	}
	return <-answer, nil
}

// offer makes s the answer, in the place of that of an earlier try.
func offer(answer chan State, s State) {
	select {
	case <-answer:
	default:
	}
	select {
	case answer <- s:
	default:
	}
}
