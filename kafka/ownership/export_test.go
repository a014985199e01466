package ownership

// Kept is what the broker has and does not serve.
func (o *Owner) Kept() []keeper { return o.follow.keepers() }

// CheckAnswer says whether b is an answer to a question about a partition that moves.
func CheckAnswer(b []byte) error {
	_, err := decodeAnswer(b)
	return err
}
