package partition

// Leaders holds the partitions that this broker leads, over one stream. Get fails with kerr.NotLeaderForPartition, wrapped.
type Leaders struct{}

// Get returns the partition if this broker leads it.
func (l *Leaders) Get(k Key) (*Partition, error) { panic("not built yet") }
