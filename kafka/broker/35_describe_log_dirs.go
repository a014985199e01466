package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
)

// DescribeLogDirs (key 35), versions 1-5. Served by each broker about its own disk; blocks on nothing but partitions' locks. v4 has the space of the file
// system (KIP-827), v5 says whether a directory is cordoned (KIP-1066), which none ever is.
// A broker has one log directory. Replicas are virtual, so those of partitions that others lead have no bytes here; a partition that is being copied
// to this broker is as large as what was copied, and as many offsets behind as are left. There are no future replicas.
// Errors per directory: KAFKA_STORAGE_ERROR.
func (b *Broker) describeLogDirs(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DescribeLogDirsRequest](r), kmsg.NewPtrDescribeLogDirsResponse()
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir = b.cfg.LogDir
	sizes := make(map[partition.Key]partition.Size)
	if b.storage != nil {
		free, total, err := b.storage.Space()
		if err != nil {
			dir.ErrorCode = b.code(r, err)
			resp.Dirs = append(resp.Dirs, dir)
			return resp
		}
		dir.TotalBytes, dir.UsableBytes = total, free
		for _, s := range b.storage.Sizes() {
			sizes[s.Key] = s
		}
	}
	img := b.image.Current()
	list := func(t *image.Topic, wanted func(int32) bool) {
		out := kmsg.NewDescribeLogDirsResponseDirTopic()
		out.Topic = t.Name
		for i := range t.Partitions {
			if !wanted(int32(i)) {
				continue
			}
			s, has := sizes[partition.Key{Topic: t.ID, Index: int32(i)}]
			if !has && !slices.Contains(t.Partitions[i].Replicas, b.cfg.Broker) {
				continue
			}
			p := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
			p.Partition, p.Size, p.OffsetLag = int32(i), s.Bytes, s.Lag
			out.Partitions = append(out.Partitions, p)
		}
		if len(out.Partitions) > 0 {
			dir.Topics = append(dir.Topics, out)
		}
	}
	if req.Topics == nil {
		for _, t := range img.Topics() {
			list(t, func(int32) bool { return true })
		}
	}
	for i := range req.Topics {
		if t, ok := img.Topic(req.Topics[i].Topic); ok {
			list(t, func(index int32) bool { return slices.Contains(req.Topics[i].Partitions, index) })
		}
	}
	resp.Dirs = append(resp.Dirs, dir)
	return resp
}

// hosts reports whether this broker is one of the partition's replicas.
func (b *Broker) hosts(p *metadata.PartitionAssignment) bool {
	return slices.Contains(p.Replicas, b.cfg.Broker)
}
