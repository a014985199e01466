package metadata

// Features are the finalized levels of a cluster's features, all of them. A cluster whose levels were never changed has no such record.
type Features struct {
	Levels map[string]int16 `json:"levels"`
}
