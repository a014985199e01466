package differential

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// entry is one question of a transcript.
type entry struct {
	label        string // unique in the scenario; it ends with the version
	question     string // the label without the version
	key, version int16
	request      string // as JSON, for whoever reads a failure
	reply        fields
}

// dialogue is one scenario with one broker. What goes wrong beyond the answers, such as a topic that cannot be made, ends the scenario on
// this system by a panic with a failure.
type dialogue struct {
	system  string
	address string
	served  map[int16]versions // what the broker advertises
	kafka   map[int16]versions // what Kafka advertises: the versions that are compared
	names   *names
	conn    conn
	entries []entry
	labels  map[string]bool
}

// versions is a range of an API's versions.
type versions struct{ min, max int16 }

// failure ends a scenario.
type failure struct{ error }

func (d *dialogue) fail(format string, args ...any) {
	panic(failure{fmt.Errorf(format, args...)})
}

// newest is the highest version of a key that is compared.
const newest = -1

// ask sends a request, keeps the answer in the transcript and returns it. Where none came it returns an empty answer, so that a scenario can go
// on; the transcript says what happened.
func ask[Resp kmsg.Response](d *dialogue, label string, version int16, req kmsg.Request) Resp {
	return recorded[Resp](d, &d.conn, label, version, req)
}

func recorded[Resp kmsg.Response](d *dialogue, c *conn, label string, version int16, req kmsg.Request) Resp {
	if version == newest {
		version = d.kafka[req.Key()].max
	}
	req.SetVersion(version)
	resp, err := c.request(req)
	d.keep(label, req, resp, err)
	if err != nil {
		resp = req.ResponseKind()
	}
	return resp.(Resp) //nolint:errcheck // the request's own kind
}

func (d *dialogue) keep(question string, req kmsg.Request, resp kmsg.Response, err error) {
	label := fmt.Sprintf("%s: %s v%d", kmsg.NameForKey(req.Key()), question, req.GetVersion())
	if d.labels[label] {
		d.fail("the label %q is used twice", label)
	}
	d.labels[label] = true
	body, jsonErr := json.Marshal(req)
	if jsonErr != nil {
		body = []byte(jsonErr.Error())
	}
	const shown = 300
	body = body[:min(len(body), shown)]
	e := entry{label: label, question: question, key: req.Key(), version: req.GetVersion(), request: string(body)}
	switch {
	case errors.Is(err, errClosed), errors.Is(err, errSilent):
		e.reply = fields{unanswered: err.Error()}
	case err != nil:
		e.reply = fields{unanswered: "unreadable: " + err.Error()}
	default:
		e.reply = flatten(resp, d.names)
	}
	d.entries = append(d.entries, e)
}

// unanswered asks what Kafka is known never to answer.
func (d *dialogue) unanswered(question func()) {
	d.conn.silent = d.system == "kafka"
	question()
	d.conn.silent = false
}

// raw sends a frame as it is and keeps whether it was answered; with what, only for an answer that req decodes.
func (d *dialogue) raw(label string, req kmsg.Request, frame []byte) {
	c := conn{address: d.address}
	defer c.close()
	body, err := c.exchange(frame)
	var resp kmsg.Response
	if err == nil {
		c.last = d.conn.last
		resp, err = c.decode(req, body)
	}
	d.keep(label, req, resp, err)
}

// do sends a request that is not compared, in the newest version that both sides know.
func do[Resp kmsg.Response](d *dialogue, req kmsg.Request) Resp {
	v, ok := d.served[req.Key()]
	if !ok {
		d.fail("%s is needed and not served", kmsg.NameForKey(req.Key()))
	}
	req.SetVersion(min(v.max, req.MaxVersion()))
	resp, err := d.conn.request(req)
	if err != nil {
		d.fail("%s: %w", kmsg.NameForKey(req.Key()), err)
	}
	return resp.(Resp) //nolint:errcheck // the request's own kind
}

// until asks again and again, within its patience, until the answer is as wanted. Only the last answer gets into the transcript.
func until[Resp kmsg.Response](d *dialogue, label string, version int16, req kmsg.Request, wanted func(Resp) bool) Resp {
	deadline := time.Now().Add(patience)
	for {
		if version == newest {
			version = d.kafka[req.Key()].max
		}
		req.SetVersion(version)
		resp, err := d.conn.request(req)
		if err == nil && wanted(resp.(Resp)) || time.Now().After(deadline) { //nolint:errcheck // the request's own kind
			d.keep(label, req, resp, err)
			if err != nil {
				resp = req.ResponseKind()
			}
			return resp.(Resp) //nolint:errcheck // the request's own kind
		}
		<-time.After(20 * time.Millisecond)
	}
}

// eventually sends a request that is not compared until its answer is as wanted.
func eventually[Resp kmsg.Response](d *dialogue, req kmsg.Request, wanted func(Resp) bool) Resp {
	deadline := time.Now().Add(2 * patience)
	for {
		resp := do[Resp](d, req)
		if wanted(resp) {
			return resp
		}
		if time.Now().After(deadline) {
			d.fail("%s did not come to be as wanted: %v", kmsg.NameForKey(req.Key()), flatten(resp, d.names))
		}
		<-time.After(20 * time.Millisecond)
	}
}

// pending is a request whose answer is awaited on a connection of its own.
type pending[Resp kmsg.Response] struct {
	d     *dialogue
	label string
	req   kmsg.Request
	done  chan struct{}
	resp  kmsg.Response
	err   error
}

// start sends a request on a connection of its own and does not wait for the answer.
func start[Resp kmsg.Response](d *dialogue, label string, version int16, req kmsg.Request) *pending[Resp] {
	if version == newest {
		version = d.kafka[req.Key()].max
	}
	req.SetVersion(version)
	p := &pending[Resp]{d: d, label: label, req: req, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		c := conn{address: d.address}
		defer c.close()
		p.resp, p.err = c.request(req)
	}()
	return p
}

// answer waits for the answer and keeps it in the transcript.
func (p *pending[Resp]) answer() Resp {
	<-p.done
	p.d.keep(p.label, p.req, p.resp, p.err)
	if p.err != nil {
		p.resp = p.req.ResponseKind()
	}
	return p.resp.(Resp) //nolint:errcheck // the request's own kind
}

// each calls f with every version of the key that Kafka serves.
func (d *dialogue) each(key int16, f func(v int16)) {
	for v := d.kafka[key].min; v <= d.kafka[key].max; v++ {
		f(v)
	}
}

// topic makes a topic, waits until its partitions have leaders, and returns its id.
func (d *dialogue) topic(name string, partitions int32, configs ...string) [16]byte {
	req := kmsg.NewPtrCreateTopicsRequest()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, 1
	for i := 0; i < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = configs[i], &configs[i+1]
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	if code := do[*kmsg.CreateTopicsResponse](d, req).Topics[0].ErrorCode; code != 0 {
		d.fail("create %s: %w", name, kerr.ErrorForCode(code))
	}
	meta := kmsg.NewPtrMetadataRequest()
	mt := kmsg.NewMetadataRequestTopic()
	mt.Topic = &name
	meta.Topics = append(meta.Topics, mt)
	resp := eventually(d, meta, func(resp *kmsg.MetadataResponse) bool {
		if len(resp.Topics) != 1 || resp.Topics[0].ErrorCode != 0 || len(resp.Topics[0].Partitions) != int(partitions) {
			return false
		}
		for _, p := range resp.Topics[0].Partitions {
			if p.ErrorCode != 0 {
				return false
			}
		}
		return true
	})
	// Kafka tells of leaders a moment before they are.
	offsets := asked(kmsg.NewPtrListOffsetsRequest(), func(r *kmsg.ListOffsetsRequest) {
		r.ReplicaID = -1
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = name
		for i := range partitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = i, -1
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	})
	eventually(d, offsets, func(resp *kmsg.ListOffsetsResponse) bool {
		return !slices.ContainsFunc(resp.Topics[0].Partitions, func(p kmsg.ListOffsetsResponseTopicPartition) bool { return p.ErrorCode != 0 })
	})
	id := resp.Topics[0].TopicID
	d.names.give("id", fmt.Sprintf("%x", id), "id of "+name)
	return id
}

// coordinator waits until the coordinator of a group (kind 0), a transactional id (1) or a share partition (2) is there.
func (d *dialogue) coordinator(kind int8, key string) {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorType, req.CoordinatorKey, req.CoordinatorKeys = kind, key, []string{key}
	eventually(d, req, func(resp *kmsg.FindCoordinatorResponse) bool {
		return len(resp.Coordinators) == 1 && resp.Coordinators[0].ErrorCode == 0
	})
}

// with sets fields of a value that kmsg made with its defaults.
func with[T any](v T, set func(*T)) T {
	set(&v)
	return v
}

// asked is with for requests.
func asked[T any](req *T, set func(*T)) *T {
	set(req)
	return req
}

// list maps values to elements of a request.
func list[V, T any](values []V, element func(V) T) []T {
	elements := make([]T, len(values))
	for i, v := range values {
		elements[i] = element(v)
	}
	return elements
}

func ptr[T any](v T) *T { return &v } //nolint:modernize // reads better in a request
