package ownership

import "weir/storage/stream"

// Kept is what the broker has and does not serve.
func (o *Owner) Kept() []keeper { return o.follow.keepers() }

// CheckAnswer says whether b is an answer to a question about a partition that moves.
func CheckAnswer(b []byte) error {
	_, err := decodeAnswer(b)
	return err
}

// Copied is where the only copy ends that the broker has.
func (o *Owner) Copied() (end int64) {
	for _, k := range o.follow.keepers() {
		k.View(func(s *stream.PartitionState) { end = s.End })
	}
	return end
}

// Copies is how many partitions the broker has only copies of. One that it had taken over, but for the transaction, when it crashed and the move was called off,
// is not among them: it cannot be told from what was led here.
func (o *Owner) Copies() (n int) {
	for _, k := range o.follow.keepers() {
		k.View(func(s *stream.PartitionState) {
			if s.IsCopy() {
				n++
			}
		})
	}
	return n
}

// Strays is how many partitions a restart found that may be copies nobody wants.
func (o *Owner) Strays() int {
	o.follow.mu.Lock()
	defer o.follow.mu.Unlock()
	return len(o.follow.strays)
}
