package differential

import "regexp"

// difference is a field that Weir answers otherwise than Apache Kafka, on purpose.
type difference struct {
	at  *regexp.Regexp // of "scenario/API: question vN: path"
	why string

	sometimes bool // it depends on time, so that a run without it says nothing
}

const (
	exception  = "Kafka's handler fails with an exception, so its answer is UNKNOWN_SERVER_ERROR; Weir says what is wrong"
	silence1   = "Kafka's handler fails with an exception and never answers; Weir says what is wrong"
	decoder    = "Kafka's decoder fails on a number that it has no name for, which costs the client its connection; Weir says INVALID_REQUEST"
	liar       = "a batch that lies is refused whole"
	compressed = "what is compressed is looked into only where weir.validate.compressed says so"
)

// known lists the differences that are meant, each with its reason. Those that wait to be mended are in testdata/open.txt.
var known = []difference{ //nolint:gochecknoglobals // a table
	{at: regexp.MustCompile(`ApiKeys\[7[12]\]`), why: "Kafka takes telemetry only if a plugin receives it; Weir exports it as metrics"},
	{at: regexp.MustCompile(`(Configs|ConfigSynonyms)\[weir\.`), why: "configs of Weir's own"},
	{at: regexp.MustCompile(`Configs\[min.insync.replicas\].*Source$`), why: "where ELR is on, Kafka's formatter sets min.insync.replicas for the whole cluster; in Weir it is as static as on Amazon MSK"},
	{at: regexp.MustCompile(`default of brokers v\d: Resources\[\].Configs`), why: "the same: it is the one config that Kafka's formatter sets for all brokers"},

	{at: regexp.MustCompile(`__cluster_metadata\].*(LogEndOffset|HighWatermark)$`), why: "how long the log of metadata is"},

	{at: regexp.MustCompile(`^describe quorum/DescribeQuorum: metadata v2: Nodes\[1\]\.Listeners`), why: "Kafka tells where its controllers listen; what leads in Weir has no listener of its own, so the broker's are told"},

	{at: regexp.MustCompile(`^metadata/Metadata: without name v1[23]: `), why: exception},
	{at: regexp.MustCompile(`^describe topic partitions/DescribeTopicPartitions: names v0: `), why: exception},
	{at: regexp.MustCompile(`^produce damaged batches/Produce: unknown codec v13: `), why: exception},
	{at: regexp.MustCompile(`^fetch/Fetch: isolation 7 v\d+: `), why: exception},
	{at: regexp.MustCompile(`^list offsets/ListOffsets: isolation 9 v\d+: `), why: exception},
	{at: regexp.MustCompile(`^incremental alter configs/IncrementalAlterConfigs: unknown operation v\d: `), why: exception},
	{at: regexp.MustCompile(`^write markers/WriteTxnMarkers: old epoch v\d: `), why: exception},
	{at: regexp.MustCompile(`^share requests of nobody/ShareFetch: unknown mode v2: `), why: exception},
	{at: regexp.MustCompile(`^share fetch and acknowledge/ShareAcknowledge: absent topic v2: `), why: exception},
	{at: regexp.MustCompile(`^acls/CreateACLs: good and bad v\d: `), why: "Kafka refuses what came before a bad entry as well, with UNKNOWN_SERVER_ERROR; Weir takes what is good"},
	{at: regexp.MustCompile(`^acls/(DescribeACLs: all|DeleteACLs: the rest) v\d: .*acl-good`), why: "the same, later"},

	{at: regexp.MustCompile(`^produce damaged batches/Produce: null records v13: `), why: silence1},
	{at: regexp.MustCompile(`^bare AddPartitionsToTxn/AddPartitionsToTxn: empty request v[45]: `), why: silence1},

	{at: regexp.MustCompile(`^share group heartbeat/.*Assignment`), sometimes: true, why: "who answers before and who after a new assignment is made"},
	{at: regexp.MustCompile(`^share requests of nobody/ShareFetch: member (of no group|that is no uuid)`), sometimes: true, why: "Kafka answers nothing of a partition that is not initialized in time"},
	{at: regexp.MustCompile(`^share group offsets/DescribeShareGroupOffsets: absent group v\d: .*TopicID$`), sometimes: true, why: "Kafka's coordinator learns of a new topic a moment later"},

	{at: regexp.MustCompile(`^acls/(DescribeACLs|CreateACLs|DeleteACLs): unknown (type|pattern|operation|permission) v\d: `), why: decoder},
	{at: regexp.MustCompile(`^bare DescribeACLs/DescribeACLs: empty request v\d: `), why: decoder},
	{at: regexp.MustCompile(`^frames of nobody/Metadata: client id of length -2 v0: `), why: "Kafka reads every negative length as null; no client sends another than -1"},

	{at: regexp.MustCompile(`^produce damaged batches/Produce: (log append time|offset deltas the wrong way|bytes behind) v13: `), why: liar},
	{at: regexp.MustCompile(`^produce damaged batches/Produce: gzip (that is none|with another count|of rubbish) v13: `), why: compressed},
}

// neverRefused are the keys to which Kafka has no error to answer, and why.
var neverRefused = map[int16]string{ //nolint:gochecknoglobals // a table
	16: "a filter that is unknown matches nothing",
	35: "what is not there is left out",
	46: "what is not there is left out",
	90: "what is not there has no offsets",
}

// listed returns the entry for a difference, nil if there is none.
func listed(at string) *difference {
	for i := range known {
		if known[i].at.MatchString(at) {
			return &known[i]
		}
	}
	return nil
}
