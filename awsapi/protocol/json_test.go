package protocol

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/awsapi/gen/cloudwatch"
	"weir/awsapi/gen/kafka"
	"weir/awsapi/gen/secretsmanager"
)

// TestAbsentAndEmptyDiffer: absent, empty text, empty list and empty object are four things.
func TestAbsentAndEmptyDiffer(t *testing.T) {
	var c Codec
	for _, text := range []string{
		`{}`,
		`{"description":""}`,
		`{"kafkaVersions":[]}`,
		`{"description":"","kafkaVersions":[],"name":"x","serverProperties":""}`,
	} {
		var in kafka.CreateConfigurationInput
		if err := c.DecodeJSON([]byte(text), &in); err != nil {
			t.Fatal(err)
		}
		if got := string(c.AppendJSON(nil, &in, "")); got != text {
			t.Errorf("%s came back as %s", text, got)
		}
	}
	var in kafka.CreateClusterInput
	if err := c.DecodeJSON([]byte(`{"tags":{},"clientAuthentication":{},"openMonitoring":null,"storageMode":null}`), &in); err != nil {
		t.Fatal(err)
	}
	if in.Tags == nil || in.ClientAuthentication == nil || in.OpenMonitoring != nil || in.StorageMode != "" {
		t.Errorf("decoded %+v", in)
	}
}

func TestJSONIsStrict(t *testing.T) {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	tests := []struct{ body, path, reason string }{
		{`{"clusterName":"x"`, "", "malformed JSON at byte 18"},
		{`{"clusterName":"x"}}`, "", "malformed JSON at byte 20"},
		{`{"clusterName":"x"} {}`, "", "malformed JSON"},
		{`{"clusterName":"x",}`, "", "malformed JSON"},
		{`{'clusterName':"x"}`, "", "malformed JSON"},
		{`{"clusterName":NaN}`, "", "malformed JSON"},
		{`{"clusterName":"` + "\xff" + `"}`, "", "UTF-8"},
		{`[]`, "", "the body is a list, an object is expected"},
		{`"x"`, "", "the body is a string"},
		{`null`, "", "the body is null"},
		{`{"clusterName":1}`, "clusterName", "a string is expected, not a number"},
		{`{"clusterName":["x"]}`, "clusterName", "a string is expected, not a list"},
		{`{"clusterName":true}`, "clusterName", "a string is expected, not a boolean"},
		{`{"clusterName":"a","clusterName":"b"}`, "clusterName", "given twice"},
		{`{"numberOfBrokerNodes":"3"}`, "numberOfBrokerNodes", "an integer is expected, not a string"},
		{`{"numberOfBrokerNodes":3.5}`, "numberOfBrokerNodes", "3.5 is not an integer"},
		{`{"numberOfBrokerNodes":4294967299}`, "numberOfBrokerNodes", "out of the range of a 32-bit integer"},
		{`{"numberOfBrokerNodes":1e99}`, "numberOfBrokerNodes", "out of the range"},
		{`{"tags":[]}`, "tags", "a map is expected, not a list"},
		{`{"tags":{"a":1}}`, "tags.a", "a string is expected, not a number"},
		{`{"tags":{"a":null}}`, "tags.a", "null is not allowed"},
		{`{"tags":{"a":"1","a":"2"}}`, "tags.a", "given twice"},
		{`{"brokerNodeGroupInfo":[]}`, "brokerNodeGroupInfo", "an object is expected, not a list"},
		{`{"brokerNodeGroupInfo":{"clientSubnets":["a",2]}}`, "brokerNodeGroupInfo.clientSubnets.1", "a string is expected, not a number"},
		{`{"brokerNodeGroupInfo":{"clientSubnets":[null]}}`, "brokerNodeGroupInfo.clientSubnets.0", "null is not allowed"},
		{`{"clientAuthentication":{"sasl":{"iam":{"enabled":"true"}}}}`, "clientAuthentication.sasl.iam.enabled", "true or false is expected"},
		{`{"storageMode":""}`, "storageMode", "not one of [LOCAL, TIERED]"},
		{`{"unknown":` + deep + `}`, "", "nested deeper than 32 levels"},
		{`{"tags":` + deep + `}`, "", "nested deeper than 32 levels"},
		{strings.Repeat(`{"a":`, 100000), "", "nested deeper than 32 levels"},
	}
	var c Codec
	for _, tt := range tests {
		var in kafka.CreateClusterInput
		err := c.DecodeJSON([]byte(tt.body), &in)
		e, ok := err.(*Error) //nolint:errorlint // the contract
		if !ok || e.Path != tt.path || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%.60s: %v, want %q at %q", tt.body, err, tt.reason, tt.path)
		}
	}
}

func TestJSONTolerates(t *testing.T) {
	var c Codec
	var in kafka.CreateClusterInput
	body := "\t {\"unknown\":{\"a\":[1,{\"b\":null}]}, \"ClusterName\":\"other case\", \"clusterName\":\"\\u00e9\\ud83d\\ude00\", \"numberOfBrokerNodes\":3.0,\"resourceArn\":7}\n"
	if err := c.DecodeJSON([]byte(body), &in); err != nil {
		t.Fatal(err)
	}
	if *in.ClusterName != "é😀" || *in.NumberOfBrokerNodes != 3 {
		t.Errorf("decoded %+v", in)
	}
	for _, empty := range []string{"", " \n"} {
		if err := c.DecodeJSON([]byte(empty), &in); err != nil {
			t.Errorf("empty body: %v", err)
		}
	}
	// A member that travels in the path cannot be set from the body.
	var tag kafka.TagResourceInput
	if err := c.DecodeJSON([]byte(`{"resourceArn":"arn:evil","tags":{}}`), &tag); err != nil || tag.ResourceArn != nil {
		t.Errorf("decoded %+v, %v", tag, err)
	}
}

func TestNumbersTimestampsAndBlobs(t *testing.T) {
	at := time.Date(2020, 7, 9, 2, 31, 36, 223_000_000, time.UTC)
	var c Codec
	out := c.AppendJSON(nil, &kafka.BrokerNodeInfo{BrokerId: new(1.0)}, "")
	if string(out) != `{"brokerId":1.0}` {
		t.Errorf("double: %s", out)
	}
	// kafka's timestamps are ISO 8601 by its model, secretsmanager's epoch seconds by its protocol.
	if got := string(c.AppendJSON(nil, &kafka.NodeInfo{}, "unixTimestamp")); got != `{}` {
		t.Error(got)
	}
	if got := string(c.AppendJSON(nil, &kafka.ClusterInfo{CreationTime: &at}, "unixTimestamp")); got != `{"creationTime":"2020-07-09T02:31:36.223Z"}` {
		t.Error(got)
	}
	if got := string(c.AppendJSON(nil, &secretsmanager.GetSecretValueOutput{CreatedDate: &at, SecretBinary: []byte{0, 255}}, "unixTimestamp")); got !=
		`{"SecretBinary":"AP8=","CreatedDate":1594261896.223}` {
		t.Error(got)
	}
	for _, text := range []string{`"2020-07-09T02:31:36.223Z"`, `"2020-07-09T04:31:36.223+02:00"`, `1594261896.223`, `1.594261896223e9`} {
		var d cloudwatch.MetricDatum
		if err := c.DecodeJSON([]byte(`{"Timestamp":`+text+`,"Value":1}`), &d); err != nil || !d.Timestamp.Equal(at) || *d.Value != 1 {
			t.Errorf("%s: %v, %v", text, d.Timestamp, err)
		}
	}
	for _, text := range []string{`"yesterday"`, `1e300`, `-1e300`, `true`, `[]`, `""`, `"NaN"`} {
		var d cloudwatch.MetricDatum
		if err := c.DecodeJSON([]byte(`{"Timestamp":`+text+`}`), &d); err == nil {
			t.Errorf("%s was read as %v", text, d.Timestamp)
		}
	}
	for _, text := range []string{`"a"`, `"YQ"`, `"Y Q=="`, `"!!!!"`, `"YR=="`, `1`} {
		var in kafka.CreateConfigurationInput
		if err := c.DecodeJSON([]byte(`{"serverProperties":`+text+`}`), &in); err == nil {
			t.Errorf("blob %s was read as %q", text, in.ServerProperties)
		}
	}
	for f, want := range map[float64]string{0: "0.0", 1: "1.0", -2.5: "-2.5", 1e21: "1e+21", math.Inf(1): "Infinity", math.Inf(-1): "-Infinity"} {
		if got := floatText(f); got != want {
			t.Errorf("%v: %s", f, got)
		}
	}
	if got := floatText(math.NaN()); got != "NaN" {
		t.Error(got)
	}
}

// FuzzDecodeJSON: what decodes, encodes, and decodes again to the same.
func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"clusterName":"x","numberOfBrokerNodes":3,"brokerNodeGroupInfo":{"clientSubnets":["a"],"storageInfo":{"ebsStorageInfo":{"volumeSize":1}}},"tags":{"a":"b"}}`))
	f.Add([]byte(`{"openMonitoring":{"prometheus":{"jmxExporter":{"enabledInBroker":true}}}}`))
	f.Add([]byte(`{"a":[[[]]]}`))
	var c Codec
	f.Fuzz(func(t *testing.T, body []byte) {
		var in, again kafka.CreateClusterInput
		if err := c.DecodeJSON(body, &in); err != nil {
			return
		}
		if len(body) > 0 && len(strings.TrimSpace(string(body))) > 0 && !json.Valid(body) {
			t.Fatalf("accepted %q", body)
		}
		c.Validate(&in)
		out := c.AppendJSON(nil, &in, "")
		if err := c.DecodeJSON(out, &again); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if !reflect.DeepEqual(in, again) {
			t.Fatal(cmp.Diff(in, again))
		}
	})
}
