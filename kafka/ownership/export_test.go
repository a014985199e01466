package ownership

// Kept is what the broker has and does not serve.
func (o *Owner) Kept() []keeper { return o.follow.keepers() }
