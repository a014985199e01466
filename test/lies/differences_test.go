package lies

import "regexp"

// differences are the lies that Weir answers in another way than Kafka, on purpose. Answers are names of errors, "" is yes, "*" is any.
var differences = []struct { //nolint:gochecknoglobals // a table
	lies        string // a regular expression
	kafka, weir string
	why         string
}{
	{`, compressed$`, "*", "", "what is compressed is not looked into unless the topic wants it"},
	{`max timestamp (far ahead|largest|least|-2|-3), compressed$`, "", "INVALID_TIMESTAMP", "a header's timestamp that nobody compares with the records has to make sense by itself"},
	{`^(attribute bit [012]|codec [567])`, "UNKNOWN_SERVER_ERROR", "UNSUPPORTED_COMPRESSION_TYPE", "Kafka fails over a codec that does not exist"},
	{`^length (-60|2147483647)`, "UNKNOWN_SERVER_ERROR", "*", "Kafka fails over such a length"},
	{`compressed-strict$|^attribute bit [012]`, "UNKNOWN_SERVER_ERROR", "INVALID_RECORD", "Kafka fails while it decompresses"},
	{`^attribute bit [012]$`, "UNKNOWN_SERVER_ERROR", "", "the codec of what is not compressed is not noticed unless the topic wants it"},
	{`^attribute bit 3`, "", "INVALID_TIMESTAMP", "Kafka takes a batch that claims to have the broker's time and makes it have the records'"},
	{`^attribute bit 6`, "", "INVALID_RECORD", "Kafka stores a delete horizon that a client made up, which would stand for the base timestamp"},
	{`timestamp`, "", "INVALID_TIMESTAMP", "Kafka stores times before 1970, which no client means"},
	{`^producer -`, "", "INVALID_RECORD", "Kafka stores producer ids that cannot exist"},
	{`^producer \d+ epoch -1 `, "", "INVALID_PRODUCER_EPOCH", "Kafka lets a producer without an epoch begin"},
	{`^\d+ bytes more`, "", "*", "Kafka drops what follows the batch if it is not a whole one"},
	{`^(record: offset delta|offsets the other way round)`, "", "INVALID_RECORD", "Kafka stores records whose offsets are not those that it answers"},
	{`^record: size .*, compressed-strict$`, "", "INVALID_RECORD", "Kafka skips over records by their fields and believes any size"},
	{`^bytes behind the stream, compressed-strict$`, "", "INVALID_RECORD", "Kafka does not look behind the end of the compressed stream"},
}

// difference returns the reason why the answers to a lie may differ.
func difference(name, kafka, weir string) (why string, ok bool) {
	for _, d := range differences {
		if (d.kafka == "*" || d.kafka == kafka) && (d.weir == "*" || d.weir == weir) && regexp.MustCompile(d.lies).MatchString(name) {
			return d.why, true
		}
	}
	return "", false
}
