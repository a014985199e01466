package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterReplicaLogDirs (key 34), versions 1-2. Served by each broker about its own disk. A broker has one log directory, so every replica is there already, or
// the directory does not exist.
// Errors per partition: LOG_DIR_NOT_FOUND, UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER (a partition of which this broker is no replica).
func (b *Broker) alterReplicaLogDirs(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.AlterReplicaLogDirsRequest](r), kmsg.NewPtrAlterReplicaLogDirsResponse()
	img, own := b.image.Current(), b.cfg.LogDir
	answers := make(map[string]int) // in resp.Topics
	for i := range req.Dirs {
		dir := &req.Dirs[i]
		for j := range dir.Topics {
			in := &dir.Topics[j]
			at, ok := answers[in.Topic]
			if !ok {
				at = len(resp.Topics)
				answers[in.Topic] = at
				out := kmsg.NewAlterReplicaLogDirsResponseTopic()
				out.Topic = in.Topic
				resp.Topics = append(resp.Topics, out)
			}
			t, known := img.Topic(in.Topic)
			for _, index := range in.Partitions {
				var err *kerr.Error
				switch {
				case dir.Dir != own:
					err = kerr.LogDirNotFound
				case !known || index < 0 || int(index) >= len(t.Partitions):
					err = kerr.UnknownTopicOrPartition
				case !b.hosts(&t.Partitions[index]):
					err = kerr.NotLeaderForPartition
				}
				p := kmsg.NewAlterReplicaLogDirsResponseTopicPartition()
				p.Partition = index
				if err != nil {
					p.ErrorCode = err.Code
				}
				resp.Topics[at].Partitions = append(resp.Topics[at].Partitions, p)
			}
		}
	}
	return resp
}
