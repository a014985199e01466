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
	entry("producer_byte_rate", 5)
	entry("producer_byte_rate", 5, "ip", "127.0.0.1")
	entry("producer_byte_rate", 5, "group", "g")
	entry("producer_byte_rate", 5, "user", "")
	entry("producer_byte_rate", 5, "user", "u", "user", "v")
	entry("producer_byte_rate", 5, "user", "twice")
	entry("producer_byte_rate", 5, "user", "twice")
	entry("nope", 5, "user", "a")
	entry("request_percentage", 5, "user", "b")
	entry("producer_byte_rate", 0, "user", "c")
	entry("producer_byte_rate", 5, "user", "good")
	want := []string{
		"Invalid empty client quota entity.", "Quotas of addresses are not built yet; those of user and client-id are.",
		"Unhandled client quota entity type: group", "Empty user not supported.", "Duplicate entity type in client quota entity: user",
		"Each entity must appear at most once.", "Each entity must appear at most once.", "Invalid configuration key nope",
		"the quota request_percentage is not built yet; producer_byte_rate and consumer_byte_rate are", "Quota producer_byte_rate must be greater than 0", "",
	}
	resp := ask[*kmsg.AlterClientQuotasResponse](r, b, req)
	for i, e := range resp.Entries {
		if deref(e.ErrorMessage) != want[i] || (e.ErrorCode != 0) != (want[i] != "") || e.ErrorCode != 0 && e.ErrorCode != kerr.InvalidRequest.Code {
			t.Errorf("entry %d: %d %q, want %q", i, e.ErrorCode, deref(e.ErrorMessage), want[i])
		}
	}
	if got := b.live.Current().ClientQuotas(); got == nil || len(got.Entries) != 1 {
		t.Errorf("stored: %+v", got)
	}

	describe := kmsg.NewPtrDescribeClientQuotasRequest()
	describe.Version = 1
	c := kmsg.NewDescribeClientQuotasRequestComponent()
	c.EntityType, c.MatchType = "ip", kmsg.QuotasMatchTypeAny
	describe.Components = append(describe.Components, c)
	if got := ask[*kmsg.DescribeClientQuotasResponse](r, b, describe); got.ErrorCode != kerr.UnsupportedVersion.Code {
		t.Errorf("%+v", got)
	}
	c.EntityType, c.MatchType = "user", kmsg.QuotasMatchTypeExact
	describe.Components = []kmsg.DescribeClientQuotasRequestComponent{c}
	if got := ask[*kmsg.DescribeClientQuotasResponse](r, b, describe); got.ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("%+v", got)
	}
}
