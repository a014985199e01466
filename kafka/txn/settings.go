package txn

import (
	"time"

	"weir/kafka/configdef"
)

// Settings are the broker configs that matter to transactions. None of them changes while a broker runs.
type Settings struct {
	TimeoutMax      time.Duration // transaction.max.timeout.ms
	Expiration      time.Duration // transactional.id.expiration.ms
	ExpirationCheck time.Duration // transaction.remove.expired.transaction.cleanup.interval.ms
	Partitions      int32         // transaction.state.log.num.partitions, when the topic is created
	Replication     int16         // transaction.state.log.replication.factor, when the topic is created
	MinISR          string        // transaction.state.log.min.isr, when the topic is created
	SegmentBytes    string        // transaction.state.log.segment.bytes, when the topic is created
	IDsMax          int           // transactional ids of one partition of the topic, beyond which no new one begins; 20,000
}

// idsMax bounds transactional ids: they are the clients' choice, and each is kept for a week.
const idsMax = 20_000

// SettingsFrom reads server.properties.
func SettingsFrom(properties map[string]string) Settings {
	l := configdef.Layers{Static: properties}
	ms := func(name string) time.Duration { return time.Duration(l.BrokerInt(name)) * time.Millisecond }
	return Settings{
		TimeoutMax:      ms("transaction.max.timeout.ms"),
		Expiration:      ms("transactional.id.expiration.ms"),
		ExpirationCheck: ms("transaction.remove.expired.transaction.cleanup.interval.ms"),
		Partitions:      int32(l.BrokerInt("transaction.state.log.num.partitions")),
		Replication:     int16(l.BrokerInt("transaction.state.log.replication.factor")),
		MinISR:          l.BrokerString("transaction.state.log.min.isr"),
		SegmentBytes:    l.BrokerString("transaction.state.log.segment.bytes"),
		IDsMax:          idsMax,
	}
}
