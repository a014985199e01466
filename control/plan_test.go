package control

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/control/resource"
	"weir/metadata"
)

// situation builds an observation of a cluster with three brokers that were placed and started and run well; tests spoil it.
func situation(t *testing.T, state resource.ClusterState, op resource.OperationType) *observation {
	t.Helper()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	c := newCluster(resource.Scope{Account: "000000000000", Region: "us-east-1"}, "orders", 3)
	c.State = state
	o := &observation{
		now: now, started: now.Add(-time.Hour), clusterAt: 10, opAt: 11,
		specs:    make(map[metadata.BrokerID]spec),
		statuses: make(map[metadata.BrokerID]resource.BrokerStatus),
		sessions: make(map[metadata.BrokerID]session),
	}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		n.Node = "n1"
		n.Endpoints = []metadata.Endpoint{{Name: "CLIENT", Host: "127.0.1.1", Port: int32(9092 + i)}}
		o.specs[n.Broker] = spec{resource.BrokerSpecKey("n1", c.UUID, strconv.Itoa(int(n.Broker))), 12, resource.BrokerSpec{Broker: n.Broker, Restart: 4}}
		o.statuses[n.Broker] = resource.BrokerStatus{State: resource.BrokerRunning, Restart: 4}
		o.sessions[n.Broker] = session{metadata.Session{Broker: n.Broker, Ready: true, Endpoints: n.Endpoints}, 20}
	}
	if op != "" {
		v := resource.NewOperation(op, c.UUID, "r", now.Add(-time.Second))
		c.Operation, o.op = v.ID, &v
	}
	o.cluster = c
	o.properties = resource.DefaultProperties(&c)
	o.settings, o.settingsAt = new(c.DesiredSettings(o.properties)), 13
	return o
}

func TestPlan(t *testing.T) {
	cfg := Config{}.withDefaults()
	unplaced := func(o *observation) {
		for i := range o.cluster.Nodes {
			o.cluster.Nodes[i].Node = ""
		}
	}
	without := func(o *observation, id metadata.BrokerID) { delete(o.sessions, id) }
	late := func(o *observation) { o.now = o.now.Add(time.Hour) }
	down := func(o *observation, since time.Duration) {
		o.statuses[2] = resource.BrokerStatus{State: resource.BrokerBackOff, LastExit: "signal: killed", Since: o.now.Add(-since)}
	}
	failed := func(o *observation, since time.Duration, state resource.BrokerProcessState) {
		o.statuses[2] = resource.BrokerStatus{State: state, LastExit: "exit status 1: bad", Since: o.now.Add(-time.Second), Down: o.now.Add(-since)}
		without(o, 2)
		o.cluster.Nodes[1].Replaced = o.now.Add(-time.Second)
	}
	asked := func(o *observation) {
		sp := o.specs[2]
		sp.value.TakeOver = o.statuses[2].Down
		o.specs[2] = sp
	}
	requested := func(o *observation) {
		op := o.op.Complete(o.now, resource.StepInitialize)
		op.Reboot = &resource.Reboot{Broker: 2, Restart: 5, Incarnation: 20}
		o.op = &op
	}
	back := func(o *observation) {
		s := o.sessions[2]
		s.incarnation = 30
		o.sessions[2] = s
		o.statuses[2] = resource.BrokerStatus{State: resource.BrokerRunning, Restart: 5}
	}
	tests := []struct {
		name  string
		state resource.ClusterState
		op    resource.OperationType
		spoil func(*observation)
		want  stepName
		after time.Duration
		says  string // in the cluster's record
	}{
		{"create: no machine", resource.Creating, resource.OpCreate, unplaced, "", 119 * time.Second, ""},
		{"create: machine", resource.Creating, resource.OpCreate, func(o *observation) {
			unplaced(o)
			o.machines = []machine{{node: resource.Node{ID: "n1"}}}
		}, placeBrokers, 0, `"node":"n1"`},
		{"create: never a machine", resource.Creating, resource.OpCreate, func(o *observation) { unplaced(o); late(o) }, failCreate, 0, "no node has registered"},
		{"create: one broker missing", resource.Creating, resource.OpCreate, func(o *observation) { without(o, 3) }, "", 119 * time.Second, ""},
		{"create: one broker not ready", resource.Creating, resource.OpCreate, func(o *observation) {
			o.sessions[3] = session{metadata.Session{Broker: 3}, 21}
		}, "", 119 * time.Second, ""},
		{"create: all ready", resource.Creating, resource.OpCreate, func(*observation) {}, activate, 0, `"state":"ACTIVE"`},
		{"create: all ready although late", resource.Creating, resource.OpCreate, late, activate, 0, `"state":"ACTIVE"`},
		{"create: too late", resource.Creating, resource.OpCreate, func(o *observation) {
			without(o, 1)
			without(o, 2)
			delete(o.statuses, 1)
			o.statuses[2] = resource.BrokerStatus{State: resource.BrokerBackOff, LastExit: "exit status 1", Restarts: 7}
			late(o)
		}, failCreate, 0, "2 of 3 brokers did not become ready: broker 1: node n1 has not reported on it; broker 2: exit status 1 (started again 7 times)."},
		{"create: late only because nobody worked on it", resource.Creating, resource.OpCreate, func(o *observation) {
			without(o, 1)
			late(o)
			o.started = o.now.Add(-time.Second)
		}, "", 119 * time.Second, ""},
		{"delete: brokers wanted", resource.Deleting, resource.OpDelete, func(*observation) {}, stopBrokers, 0, ""},
		{"delete: brokers stopping", resource.Deleting, resource.OpDelete, func(o *observation) { clear(o.specs) }, "", 299 * time.Second, ""},
		{"delete: brokers gone", resource.Deleting, resource.OpDelete, func(o *observation) {
			clear(o.specs)
			clear(o.statuses)
		}, removeRecords, 0, ""},
		{"delete: machine away", resource.Deleting, resource.OpDelete, func(o *observation) {
			clear(o.specs)
			delete(o.statuses, 1)
			late(o)
		}, failDelete, 0, "have not removed brokers [2 3] in time"},
		{"delete: of a cluster that was never placed", resource.Deleting, resource.OpDelete, func(o *observation) {
			unplaced(o)
			clear(o.specs)
			clear(o.statuses)
			clear(o.sessions)
		}, removeRecords, 0, ""},
		{"reboot: asked for", resource.RebootingBroker, resource.OpReboot, func(o *observation) {
			o.op.Reboot = &resource.Reboot{Broker: 2}
		}, requestRestart, 0, ""},
		{"reboot: not back", resource.RebootingBroker, resource.OpReboot, requested, "", 300 * time.Second, ""},
		{"reboot: restarted, old session", resource.RebootingBroker, resource.OpReboot, func(o *observation) {
			requested(o)
			o.statuses[2] = resource.BrokerStatus{State: resource.BrokerRunning, Restart: 5}
		}, "", 300 * time.Second, ""},
		{"reboot: new session of an earlier exit", resource.RebootingBroker, resource.OpReboot, func(o *observation) {
			requested(o)
			back(o)
			o.statuses[2] = resource.BrokerStatus{State: resource.BrokerRunning, Restart: 4}
		}, "", 300 * time.Second, ""},
		{"reboot: back", resource.RebootingBroker, resource.OpReboot, func(o *observation) { requested(o); back(o) }, finishReboot, 0, `"state":"ACTIVE"`},
		{"reboot: too late", resource.RebootingBroker, resource.OpReboot, func(o *observation) { requested(o); late(o) }, failReboot, 0, "Broker 2 did not come back"},
		{"reboot: no operation", resource.RebootingBroker, "", func(*observation) {}, abandon, 0, `"state":"ACTIVE"`},
		{"active: well", resource.Active, "", func(*observation) {}, "", 0, ""},
		{"active: just down", resource.Active, "", func(o *observation) { down(o, time.Second) }, "", time.Second, ""},
		{"active: down", resource.Active, "", func(o *observation) { down(o, 3*time.Second) }, startHealing, 0, "Broker 2 is down and is being replaced on its data (attempt 1): signal: killed."},
		{"active: moved", resource.Active, "", func(o *observation) {
			s := o.sessions[1]
			s.Endpoints = []metadata.Endpoint{{Name: "CLIENT", Host: "127.0.9.9", Port: 9092}}
			o.sessions[1] = s
		}, updateEndpoints, 0, "127.0.9.9"},
		{"healing: still down", resource.Healing, "", func(o *observation) {
			down(o, time.Minute)
			o.cluster.Nodes[1].Replaced = o.now.Add(-40 * time.Second)
		}, "", 20 * time.Second, ""},
		{"healing: still down long after", resource.Healing, "", func(o *observation) {
			down(o, time.Minute)
			o.cluster.Nodes[1].Replaced = o.now.Add(-time.Minute)
		}, replaceAgain, 0, "Broker 2 is down and is being replaced on its data (attempt 1)"},
		{"healing: node has not replaced it yet", resource.Healing, "", func(o *observation) {
			down(o, time.Hour)
			sp := o.specs[2]
			sp.value.Replace = 1
			o.specs[2] = sp
		}, "", 0, ""},
		{"healing: down after a failed update", resource.Healing, "", func(o *observation) { down(o, 3*time.Second) }, replaceAgain, 0, ""},
		{"healing: running but not ready", resource.Healing, "", func(o *observation) { without(o, 2) }, "", 0, ""},
		{"active: starting for a short time", resource.Active, "", func(o *observation) { failed(o, 5*time.Second, resource.BrokerStarting) }, "", 15 * time.Second, ""},
		{
			"active: starting for long", resource.Active, "", func(o *observation) { failed(o, 21*time.Second, resource.BrokerStarting) }, startHealing, 0,
			"Broker 2 has not served since 2026-11-23T11:59:39Z and is being started: exit status 1: bad.",
		},
		{"healing: down, but not for long", resource.Healing, "", func(o *observation) { failed(o, 4*time.Second, resource.BrokerBackOff) }, "", 6 * time.Second, ""},
		{
			"healing: cannot be started", resource.Healing, "", func(o *observation) { failed(o, 10*time.Second, resource.BrokerBackOff) }, askTakeOver, 0,
			"Broker 2 has not served since 2026-11-23T11:59:50Z: exit status 1: bad. The other brokers take over its partitions.",
		},
		{"healing: being started, which may take long", resource.Healing, "", func(o *observation) { failed(o, time.Hour, resource.BrokerStarting) }, "", 0, ""},
		{"healing: nobody could take over", resource.Healing, "", func(o *observation) {
			failed(o, time.Hour, resource.BrokerBackOff)
			without(o, 1)
			without(o, 3)
		}, "", 59 * time.Second, ""},
		{"healing: nobody could take over, for long", resource.Healing, "", func(o *observation) {
			failed(o, time.Hour, resource.BrokerBackOff)
			without(o, 1)
			without(o, 3)
			o.cluster.Nodes[1].Replaced = o.now.Add(-time.Hour)
		}, replaceAgain, 0, "exit status 1: bad. No other broker of the cluster serves that could take over its partitions."},
		{"healing: asked for a takeover", resource.Healing, "", func(o *observation) {
			failed(o, time.Minute, resource.BrokerBackOff)
			asked(o)
		}, noteHealing, 0, "The other brokers take over its partitions."},
		{"healing: asked in an earlier time of being down", resource.Healing, "", func(o *observation) {
			failed(o, time.Hour, resource.BrokerBackOff)
			asked(o)
			failed(o, 10*time.Second, resource.BrokerBackOff)
		}, askTakeOver, 0, "has not served since 2026-11-23T11:59:50Z"},
		{"healing: taken over", resource.Healing, "", func(o *observation) {
			failed(o, time.Minute, resource.BrokerBackOff)
			asked(o)
			st := o.statuses[2]
			st.TakenOver = st.Down
			o.statuses[2] = st
		}, noteHealing, 0, "Other brokers lead its partitions, and it is tried again and again."},
		{"healing: taken over, and said", resource.Healing, "", func(o *observation) {
			failed(o, time.Minute, resource.BrokerStarting)
			asked(o)
			o.cluster.StateInfo = o.takeOverInfo(0)
		}, "", 0, ""},
		{"healing: well", resource.Healing, "", func(*observation) {}, endHealing, 0, `"state":"ACTIVE"`},
		{"failed", resource.Failed, "", func(*observation) {}, "", 0, ""},
		{"of a newer version", "RESTORING", "", func(*observation) {}, "", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := situation(t, tt.state, tt.op)
			tt.spoil(o)
			s, after := plan(o, cfg)
			if s == nil {
				if tt.want != "" || after != tt.after {
					t.Fatalf("no step, look again after %v; want step %q, after %v", after, tt.want, tt.after)
				}
				return
			}
			if s.name != tt.want {
				t.Fatalf("step %q, want %q", s.name, tt.want)
			}
			if s.txn.If[0] != (metadata.Cond{Key: o.cluster.Key(), Modified: 10}) {
				t.Errorf("the step is not guarded by the cluster's revision: %v", s.txn.If)
			}
			if err := s.txn.Check(); err != nil {
				t.Error(err)
			}
			if tt.says != "" && !strings.Contains(string(s.txn.Then[0].Value), tt.says) {
				t.Errorf("the record does not say %s:\n%s", tt.says, s.txn.Then[0].Value)
			}
		})
	}
}

func TestPlacementSpreadsBrokers(t *testing.T) {
	machines := []machine{
		{resource.Node{ID: "a"}, 5}, {resource.Node{ID: "b"}, 0}, {resource.Node{ID: "c"}, 5},
	}
	var got []string
	for _, n := range place(make([]resource.BrokerNode, 7), machines) {
		got = append(got, n.Node)
	}
	if diff := cmp.Diff([]string{"b", "a", "c", "b", "a", "c", "b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A broker that is back does not send the next one off at once: clients get the pace's time to find it again.
func TestRollingRestartsArePaced(t *testing.T) {
	const pace = 1500 * time.Millisecond
	o := situation(t, resource.Updating, resource.OpBrokerType)
	turns := []resource.BrokerProgress{turn(1), turn(2)}
	look := o.lookAt(turns, time.Hour, pace)
	if look.next != 1 {
		t.Fatalf("the first turn is broker %d's", look.next)
	}
	back := func(id metadata.BrokerID, r resource.Reboot) {
		s := o.sessions[id]
		s.incarnation = r.Incarnation + 1
		o.sessions[id] = s
		o.statuses[id] = resource.BrokerStatus{State: resource.BrokerRunning, Restart: r.Restart}
	}
	back(1, look.turns[0].Reboot)
	o.now = o.now.Add(100 * time.Millisecond)
	if l := o.lookAt(look.turns, time.Hour, pace); l.next != 0 || l.wait != pace-100*time.Millisecond {
		t.Errorf("broker 1 is back at once: next %d, wait %s", l.next, l.wait)
	}
	o.now = o.now.Add(pace)
	l := o.lookAt(look.turns, time.Hour, pace)
	if l.next != 2 || l.turns[0].Status != resource.StepCompleted {
		t.Errorf("after the pace: next %d, %+v", l.next, l.turns)
	}
	back(2, l.turns[1].Reboot)
	if l := o.lookAt(l.turns, time.Hour, pace); !l.over {
		t.Errorf("nobody waits after the last: %+v", l)
	}
}
