package metadata

import "fmt"

// BrokerLoad is what a broker of a serverless cluster carries, which decides how many brokers the cluster has. The broker writes it when it changed, at
// most every few seconds. It counts as long as the broker has a session.
type BrokerLoad struct {
	In      float64 `json:"in"`      // bytes a second from producers, over about five minutes
	Out     float64 `json:"out"`     // bytes a second to consumers
	InLong  float64 `json:"inLong"`  // the same over a quarter of an hour
	OutLong float64 `json:"outLong"` // of Out
	Leaders int     `json:"leaders"` // partitions that it leads
}

// BrokerLoadPrefix is the prefix of all brokers' loads.
func BrokerLoadPrefix(cluster string) string { return ClusterPrefix(cluster) + "load/" }

// BrokerLoadKey holds one broker's BrokerLoad.
func BrokerLoadKey(cluster string, b BrokerID) string {
	return fmt.Sprintf("%s%d", BrokerLoadPrefix(cluster), b)
}
