package topic

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/image"
	"weir/metadata"
)

// Election asks for another leader of a partition: its preferred one, which is the first of its replicas, or, if Unclean, any at all if it has none.
type Election struct {
	Topic     string
	Partition int32
	Unclean   bool
}

// Elect makes preferred replicas leaders, and returns the outcomes in order, nil for those that lead now. A leader that is to be takes the log over from the
// present one, which takes its time: if ctx ends first the outcome is REQUEST_TIMED_OUT, and the election goes on. Other outcomes are Faults:
// UNKNOWN_TOPIC_OR_PARTITION, ELECTION_NOT_NEEDED, PREFERRED_LEADER_NOT_AVAILABLE, also if the present leader is down, since the data are
// with it, and ELIGIBLE_LEADERS_NOT_AVAILABLE for each unclean election of a partition whose leader is down.
func (a *Admin) Elect(ctx context.Context, elections []Election) []error {
	out := make([]error, len(elections))
	begun := make(map[int]metadata.BrokerID)
	var newest metadata.Revision
	for i, e := range elections {
		rev, err := a.editPartition(ctx, e.Topic, e.Partition, func(img *image.Image, as *metadata.PartitionAssignment) (bool, error) {
			_, led := ready(img, as.Leader)
			switch {
			case e.Unclean && led, !e.Unclean && led && as.Leader == as.Replicas[0]:
				return false, fault(kerr.ElectionNotNeeded, "Leader election not needed for topic partition.")
			case e.Unclean:
				return false, fault(kerr.EligibleLeadersNotAvailable, "Only the leader has the partition's data, and it is not available.")
			}
			if _, ok := ready(img, as.Replicas[0]); !ok || !led || img.Draining(as.Replicas[0]) {
				return false, fault(kerr.PreferredLeaderNotAvailable, "The preferred leader was not available.")
			}
			begun[i] = as.Replicas[0]
			if as.Target == as.Replicas[0] {
				return false, nil
			}
			as.Target, as.Cause = as.Replicas[0], ""
			return true, nil
		})
		if out[i] = err; err != nil {
			delete(begun, i)
		}
		newest = max(newest, rev)
	}
	a.settle(ctx, newest)
	a.awaitLeaders(ctx, elections, begun, out)
	return out
}

func ready(img *image.Image, b metadata.BrokerID) (metadata.Session, bool) {
	s, ok := img.Broker(b)
	return s, ok && s.Ready
}

// awaitLeaders waits until those that are begun have the leaders that they name.
func (a *Admin) awaitLeaders(ctx context.Context, elections []Election, begun map[int]metadata.BrokerID, out []error) {
	for img := a.image.Current(); ; {
		for i, b := range begun {
			t, ok := img.Topic(elections[i].Topic)
			switch {
			case !ok || int(elections[i].Partition) >= len(t.Partitions):
				out[i] = fault(kerr.UnknownTopicOrPartition, "The topic was deleted meanwhile.")
				delete(begun, i)
			case t.Partitions[elections[i].Partition].Leader == b:
				delete(begun, i)
			}
		}
		if len(begun) == 0 {
			return
		}
		var err error
		if img, err = a.image.Await(ctx, img.Revision+1); err != nil {
			break
		}
	}
	for i, b := range begun {
		out[i] = fault(kerr.RequestTimedOut, "Broker %d is still copying the partition, and will lead it then.", b)
	}
}
