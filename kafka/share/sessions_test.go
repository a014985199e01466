package share

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/metadata"
)

func tp(n int32) TopicPartition { return TopicPartition{Topic: metadata.TopicID{9}, Partition: n} }

func TestSessionsRememberPartitions(t *testing.T) {
	s := NewSessions(2)
	fetch := func(f Fetch, want string, code *kerr.Error) {
		t.Helper()
		got, err := s.Fetch(f)
		wantCode(t, err, code)
		var ns []int32
		for _, x := range got {
			ns = append(ns, x.Partition)
		}
		if err == nil && fmt.Sprint(ns) != want {
			t.Fatalf("got %v, want %s", ns, want)
		}
	}
	f := Fetch{Group: "g", Member: "a", Epoch: 1, Conn: 1}
	fetch(f, "", kerr.ShareSessionNotFound)
	f.Epoch = SessionFinal
	fetch(f, "", kerr.ShareSessionNotFound)
	f.Epoch, f.Add, f.Acks = SessionFirst, []TopicPartition{tp(0), tp(1), tp(0)}, true
	fetch(f, "", kerr.InvalidRequest)
	f.Acks = false
	fetch(f, "[0 1]", nil)
	f.Epoch, f.Add, f.Forget = 1, []TopicPartition{tp(2)}, []TopicPartition{tp(0)}
	fetch(f, "[1 2]", nil)
	fetch(f, "", kerr.InvalidShareSessionEpoch)
	f.Epoch, f.Add, f.Forget = 2, nil, nil
	fetch(f, "[1 2]", nil)

	wantCode(t, s.Acknowledge("g", "a", SessionFirst), kerr.InvalidShareSessionEpoch)
	wantCode(t, s.Acknowledge("g", "b", 3), kerr.ShareSessionNotFound)
	wantCode(t, s.Acknowledge("g", "a", 2), kerr.InvalidShareSessionEpoch)
	wantCode(t, s.Acknowledge("g", "a", 3), nil)
	fetch(Fetch{Group: "g", Member: "a", Epoch: 4, Conn: 1}, "[1 2]", nil)

	fetch(Fetch{Group: "g", Member: "b", Add: []TopicPartition{tp(5)}, Conn: 2}, "[5]", nil)
	fetch(Fetch{Group: "g", Member: "c", Conn: 3}, "", kerr.ShareSessionLimitReached)
	fetch(Fetch{Group: "g", Member: "b", Add: []TopicPartition{tp(6)}, Conn: 2}, "[6]", nil) // begins anew

	wantCode(t, s.Acknowledge("g", "a", SessionFinal), nil)
	if e, ok := s.End("g", "a"); !ok || e.Last || len(e.Partitions) != 2 {
		t.Errorf("%+v %v", e, ok)
	}
	if _, ok := s.End("g", "a"); ok {
		t.Error("ended twice")
	}
	if es := s.EndConn(2); len(es) != 1 || !es[0].Last || es[0].Member != "b" {
		t.Errorf("%+v", es)
	}
	if len(s.byKey)+len(s.groups)+len(s.conns)+s.parts != 0 {
		t.Errorf("left behind: %+v", s)
	}
}
