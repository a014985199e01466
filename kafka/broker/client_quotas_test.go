package broker

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestClientQuotasAreSetAndDescribed(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2})
	adm := kadm.NewClient(r.client())
	user, client, all := kadm.ClientQuotaEntityComponent{Type: "user", Name: new("u")}, kadm.ClientQuotaEntityComponent{Type: "client-id", Name: new("c")},
		kadm.ClientQuotaEntityComponent{Type: "client-id"}
	set := func(key string, v float64) kadm.AlterClientQuotaOp {
		return kadm.AlterClientQuotaOp{Key: key, Value: v}
	}
	entries := []kadm.AlterClientQuotaEntry{
		{Entity: kadm.ClientQuotaEntity{user}, Ops: []kadm.AlterClientQuotaOp{set("producer_byte_rate", 1000), set("consumer_byte_rate", 2000)}},
		{Entity: kadm.ClientQuotaEntity{user, client}, Ops: []kadm.AlterClientQuotaOp{set("producer_byte_rate", 3000)}},
		{Entity: kadm.ClientQuotaEntity{all}, Ops: []kadm.AlterClientQuotaOp{set("consumer_byte_rate", 4000)}},
	}
	for _, validateOnly := range []bool{true, false} {
		alter := adm.AlterClientQuotas
		if validateOnly {
			alter = adm.ValidateAlterClientQuotas
		}
		done, err := alter(t.Context(), entries)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range done {
			if d.Err != nil {
				t.Errorf("%v: %v", d.Entity, d.Err)
			}
		}
		if known := r.brokers[0].live.Current().ClientQuotas(); validateOnly && known != nil {
			t.Error("validating changed something")
		}
	}
	describe := func(strict bool, components ...kadm.DescribeClientQuotaComponent) []string {
		t.Helper()
		out, err := adm.DescribeClientQuotas(t.Context(), strict, components)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, q := range out {
			line := q.Entity.String()
			for _, v := range q.Values {
				line += " " + v.String()
			}
			lines = append(lines, line)
		}
		return lines
	}
	know := func(entries int) func() bool { // whichever broker is asked
		return func() bool {
			for _, b := range r.brokers {
				if q := b.live.Current().ClientQuotas(); q == nil || len(q.Entries) != entries {
					return false
				}
			}
			return true
		}
	}
	r.await("the brokers know", know(3))
	const ofUser, ofBoth, ofAll = "{user=u} consumer_byte_rate=2000.000000 producer_byte_rate=1000.000000",
		"{user=u, client-id=c} producer_byte_rate=3000.000000", "{client-id=<default>} consumer_byte_rate=4000.000000"
	exact := func(kind, name string) kadm.DescribeClientQuotaComponent {
		return kadm.DescribeClientQuotaComponent{Type: kind, MatchName: &name, MatchType: kmsg.QuotasMatchTypeExact}
	}
	some := func(kind string, m kmsg.QuotasMatchType) kadm.DescribeClientQuotaComponent {
		return kadm.DescribeClientQuotaComponent{Type: kind, MatchType: m}
	}
	for _, tt := range []struct {
		name   string
		strict bool
		filter []kadm.DescribeClientQuotaComponent
		want   []string
	}{
		{"everything", false, nil, []string{ofAll, ofUser, ofBoth}},
		{"nothing", true, nil, nil},
		{"user", false, []kadm.DescribeClientQuotaComponent{exact("user", "u")}, []string{ofUser, ofBoth}},
		{"only user", true, []kadm.DescribeClientQuotaComponent{exact("user", "u")}, []string{ofUser}},
		{"another user", false, []kadm.DescribeClientQuotaComponent{exact("user", "x")}, nil},
		{"any client id", false, []kadm.DescribeClientQuotaComponent{some("client-id", kmsg.QuotasMatchTypeAny)}, []string{ofAll, ofBoth}},
		{"the default client id", false, []kadm.DescribeClientQuotaComponent{some("client-id", kmsg.QuotasMatchTypeDefault)}, []string{ofAll}},
	} {
		if diff := cmp.Diff(tt.want, describe(tt.strict, tt.filter...)); diff != "" {
			t.Errorf("%s:\n%s", tt.name, diff)
		}
	}
	entries = entries[:1]
	entries[0].Ops = []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Remove: true}, {Key: "consumer_byte_rate", Remove: true}}
	if _, err := adm.AlterClientQuotas(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	r.await("the user's limits are gone", know(2))
}

func TestClientQuotaErrors(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	req := kmsg.NewPtrAlterClientQuotasRequest()
	req.Version = 1
	entry := func(key string, value float64, parts ...string) {
		e := kmsg.NewAlterClientQuotasRequestEntry()
		for i := 0; i < len(parts); i += 2 {
			p := kmsg.NewAlterClientQuotasRequestEntryEntity()
			p.Type, p.Name = parts[i], &parts[i+1]
			e.Entity = append(e.Entity, p)
		}
		op := kmsg.NewAlterClientQuotasRequestEntryOp()
		op.Key, op.Value = key, value
		e.Ops = append(e.Ops, op)
		req.Entries = append(req.Entries, e)
	}
	for _, tt := range []struct {
		key   string
		value float64
		parts []string
	}{
		{"producer_byte_rate", 5, nil},
		{"producer_byte_rate", 5, []string{"ip", "127.0.0.1"}},
		{"connection_creation_rate", 5, []string{"ip", "no such host"}},
		{"connection_creation_rate", 5, []string{"ip", "127.0.0.2", "user", "u"}},
		{"producer_byte_rate", 5, []string{"group", "g"}},
		{"producer_byte_rate", 5, []string{"user", ""}},
		{"producer_byte_rate", 5, []string{"user", "u", "user", "v"}}, // the last one counts
		{"producer_byte_rate", 5, []string{"user", "twice"}},
		{"producer_byte_rate", 5, []string{"user", "twice"}}, // answered with the first
		{"nope", 5, []string{"user", "a"}},
		{"request_percentage", 5, []string{"user", "b"}},
		{"producer_byte_rate", 0, []string{"user", "c"}},
		{"connection_creation_rate", 5, []string{"ip", "10.0.0.1"}},
	} {
		entry(tt.key, tt.value, tt.parts...)
	}
	want := []string{
		"Invalid empty client quota entity", "Invalid configuration key producer_byte_rate", "no such host is not a valid IP or resolvable host.",
		"Invalid quota entity combination, IP entity should" + "not be combined with User or ClientId", "Unhandled client quota entity type: group",
		"Empty user not supported", "", "Ignoring duplicate entity ClientQuotaEntity(entries={user=twice})", "Invalid configuration key nope",
		"", "Quota producer_byte_rate must be greater than 0", "",
	}
	resp := ask[*kmsg.AlterClientQuotasResponse](r, b, req)
	if len(resp.Entries) != len(want) {
		t.Fatalf("%d entries, want %d", len(resp.Entries), len(want))
	}
	for i, e := range resp.Entries {
		if deref(e.ErrorMessage) != want[i] || (e.ErrorCode != 0) != (want[i] != "") || e.ErrorCode != 0 && e.ErrorCode != kerr.InvalidRequest.Code {
			t.Errorf("entry %d: %d %q, want %q", i, e.ErrorCode, deref(e.ErrorMessage), want[i])
		}
	}
	if got := b.live.Current().ClientQuotas(); got == nil || len(got.Entries) != 3 {
		t.Errorf("stored: %+v", got)
	}

	describe := kmsg.NewPtrDescribeClientQuotasRequest()
	describe.Version = 1
	component := func(kind string, m kmsg.QuotasMatchType, match *string) kmsg.DescribeClientQuotasRequestComponent {
		c := kmsg.NewDescribeClientQuotasRequestComponent()
		c.EntityType, c.MatchType, c.Match = kind, m, match
		return c
	}
	some, exact, unset := kmsg.QuotasMatchTypeAny, kmsg.QuotasMatchTypeExact, kmsg.QuotasMatchTypeDefault
	for _, tt := range []struct {
		name       string
		components []kmsg.DescribeClientQuotasRequestComponent
		want       *kerr.Error
		entries    int
	}{
		{"all", nil, nil, 3},
		{"addresses", []kmsg.DescribeClientQuotasRequestComponent{component("ip", some, nil)}, nil, 1},
		{"an address", []kmsg.DescribeClientQuotasRequestComponent{component("ip", exact, new("10.0.0.1"))}, nil, 1},
		{"a type that is not known", []kmsg.DescribeClientQuotasRequestComponent{component("group", some, nil)}, kerr.UnsupportedVersion, 0},
		{"an empty type", []kmsg.DescribeClientQuotasRequestComponent{component("", some, nil)}, kerr.InvalidRequest, 0},
		{"no name", []kmsg.DescribeClientQuotasRequestComponent{component("user", exact, nil)}, kerr.InvalidRequest, 0},
		{"a name too much", []kmsg.DescribeClientQuotasRequestComponent{component("user", some, new("u"))}, kerr.InvalidRequest, 0},
		{"a default with a name", []kmsg.DescribeClientQuotasRequestComponent{component("user", unset, new("u"))}, kerr.InvalidRequest, 0},
		{"a match that is not known", []kmsg.DescribeClientQuotasRequestComponent{component("user", 7, nil)}, kerr.InvalidRequest, 0},
		{"twice", []kmsg.DescribeClientQuotasRequestComponent{component("user", some, nil), component("user", some, nil)}, kerr.InvalidRequest, 0},
		{"ip and user", []kmsg.DescribeClientQuotasRequestComponent{component("ip", some, nil), component("user", some, nil)}, kerr.InvalidRequest, 0},
	} {
		describe.Components = tt.components
		got := ask[*kmsg.DescribeClientQuotasResponse](r, b, describe)
		if kerr.ErrorForCode(got.ErrorCode) != error(nil) != (tt.want != nil) || tt.want != nil && got.ErrorCode != tt.want.Code || len(got.Entries) != tt.entries {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}
