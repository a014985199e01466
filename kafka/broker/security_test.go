package broker

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/acl"
	"weir/metadata"
)

func TestACLsAreCreatedDescribedAndDeleted(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2})
	c := r.dial(r.brokers[0])
	create := kmsg.NewPtrCreateACLsRequest()
	create.Version = 3
	add := func(kind kmsg.ACLResourceType, name string, pattern kmsg.ACLResourcePatternType, principal, host string, op kmsg.ACLOperation, permission kmsg.ACLPermissionType) {
		create.Creations = append(create.Creations, kmsg.CreateACLsRequestCreation{
			ResourceType: kind, ResourceName: name, ResourcePatternType: pattern, Principal: principal, Host: host, Operation: op, PermissionType: permission,
		})
	}
	add(2, "t", 3, "User:a", "*", 3, 3)
	add(2, "t", 3, "User:b", "*", 3, 2)
	add(2, "t", 4, "User:a", "*", 4, 3)
	add(4, "x", 3, "User:a", "*", 3, 3)
	add(2, "", 3, "User:a", "*", 3, 3)
	add(2, "t", 3, "foo", "*", 3, 3)
	add(2, "t", 3, "User:a", "", 3, 3)
	add(2, "t", 1, "User:a", "*", 3, 3)
	c.send(1, create)
	var codes []int16
	for _, res := range receive[*kmsg.CreateACLsResponse](c, create, 1).Results {
		codes = append(codes, res.ErrorCode)
		if (res.ErrorMessage == nil) != (res.ErrorCode == kerr.UnknownServerError.Code) {
			t.Errorf("message of %d: %v", res.ErrorCode, res.ErrorMessage)
		}
	}
	invalid := kerr.InvalidRequest.Code
	if want := []int16{0, 0, 0, invalid, invalid, invalid, invalid, -1}; !cmp.Equal(codes, want) {
		t.Errorf("created: got %v, want %v", codes, want)
	}
	describe := kmsg.NewPtrDescribeACLsRequest()
	describe.Version, describe.ResourceType, describe.ResourcePatternType, describe.Operation, describe.PermissionType = 3, 1, 1, 1, 1
	lines := func(b *rigBroker) (out []string) {
		t.Helper()
		c := r.dial(b)
		c.send(2, describe)
		resp := receive[*kmsg.DescribeACLsResponse](c, describe, 2)
		for _, res := range resp.Resources {
			for _, a := range res.ACLs {
				out = append(out, res.ResourceType.String()+" "+res.ResourcePatternType.String()+" "+res.ResourceName+" "+a.Principal+" "+a.Operation.String()+" "+a.PermissionType.String())
			}
		}
		return out
	}
	want := []string{"TOPIC LITERAL t User:a READ ALLOW", "TOPIC LITERAL t User:b READ DENY", "TOPIC PREFIXED t User:a WRITE ALLOW"}
	for _, b := range r.brokers {
		r.await("the broker knows the ACLs", func() bool { return cmp.Equal(lines(b), want) })
	}
	name := "tee"
	describe.ResourceType, describe.ResourcePatternType, describe.ResourceName = 2, 2, &name
	if got := lines(r.brokers[0]); !cmp.Equal(got, want[2:]) {
		t.Errorf("matching: %v", got)
	}
	describe.Operation = 99 // as Kafka's, which only knows that 0 is unknown
	if got := lines(r.brokers[0]); len(got) != 0 {
		t.Errorf("of an operation that there is not: %v", got)
	}
	describe.Operation = 0
	c.send(3, describe)
	if resp := receive[*kmsg.DescribeACLsResponse](c, describe, 3); resp.ErrorCode != invalid {
		t.Errorf("unknown operation: %+v", resp)
	}
	remove := kmsg.NewPtrDeleteACLsRequest()
	remove.Version = 3
	principal := "User:a"
	remove.Filters = []kmsg.DeleteACLsRequestFilter{
		{ResourceType: 1, ResourcePatternType: 1, Principal: &principal, Operation: 1, PermissionType: 1},
		{ResourceType: 3, ResourcePatternType: 1, Operation: 1, PermissionType: 1},
		{ResourceType: 0, ResourcePatternType: 1, Operation: 1, PermissionType: 1},
	}
	c.send(4, remove)
	resp := receive[*kmsg.DeleteACLsResponse](c, remove, 4)
	if len(resp.Results) != 3 || len(resp.Results[0].MatchingACLs) != 2 || len(resp.Results[1].MatchingACLs) != 0 || resp.Results[2].ErrorCode != invalid {
		t.Errorf("deleted: %+v", resp)
	}
	if left := r.brokers[0].live.Current().ACLs(); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
	s := acl.NewSet(nil)
	if s.Authorize(acl.Action{Principal: principal, Operation: acl.Read, Resource: acl.Topic, Name: "t"}) != acl.NoACL {
		t.Error("without ACLs")
	}
}

func TestScramCredentialsAreAlteredAndDescribed(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2})
	c := r.dial(r.brokers[0])
	alter := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	alter.Upsertions = []kmsg.AlterUserSCRAMCredentialsRequestUpsertion{
		{Name: "a", Mechanism: 1, Iterations: 4096, Salt: []byte("s"), SaltedPassword: []byte("p")},
		{Name: "b", Mechanism: 2, Iterations: 8192, Salt: []byte("s"), SaltedPassword: []byte("p")},
		{Name: "c", Mechanism: 2, Iterations: 1, Salt: []byte("s"), SaltedPassword: []byte("p")},
	}
	c.send(1, alter)
	codes := map[string]int16{}
	for _, res := range receive[*kmsg.AlterUserSCRAMCredentialsResponse](c, alter, 1).Results {
		codes[res.User] = res.ErrorCode
	}
	if want := (map[string]int16{"a": 0, "b": 0, "c": kerr.UnacceptableCredential.Code}); !cmp.Equal(codes, want) {
		t.Errorf("altered: %v", codes)
	}
	describe := func(b *rigBroker, users ...string) (out []string) {
		t.Helper()
		c := r.dial(b)
		req := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
		for _, u := range users {
			req.Users = append(req.Users, kmsg.DescribeUserSCRAMCredentialsRequestUser{Name: u})
		}
		c.send(1, req)
		for _, res := range receive[*kmsg.DescribeUserSCRAMCredentialsResponse](c, req, 1).Results {
			line := res.User + " " + deref(res.ErrorMessage)
			for _, i := range res.CredentialInfos {
				line += string(rune('0'+i.Mechanism)) + " "
			}
			out = append(out, line)
		}
		return out
	}
	for _, b := range r.brokers {
		r.await("the broker knows the users", func() bool { return cmp.Equal(describe(b), []string{"a 1 ", "b 2 "}) })
	}
	if got, want := describe(r.brokers[0], "b", "a", "x", "a"), []string{
		"a Cannot describe SCRAM credentials for the same user twice in a single request: a", "b 2 ",
		"x Attempt to describe a user credential that does not exist: x",
	}; !cmp.Equal(got, want) {
		t.Errorf("described: %v", got)
	}
}

// What a PLAINTEXT listener, and a cluster without a quorum of controllers, says to requests that are about them.
func TestRequestsWithoutTheirSubject(t *testing.T) {
	r := newRig(t, rigConfig{})
	c := r.dial(r.brokers[0])
	wrong, directory := "wrong", [16]byte{1}
	for _, tt := range []struct {
		req  kmsg.Request
		want *kerr.Error
	}{
		{&kmsg.SASLHandshakeRequest{Version: 1, Mechanism: "PLAIN"}, kerr.IllegalSaslState},
		{&kmsg.SASLAuthenticateRequest{Version: 2}, kerr.IllegalSaslState},
		{&kmsg.CreateDelegationTokenRequest{Version: 3}, kerr.DelegationTokenRequestNotAllowed},
		{&kmsg.RenewDelegationTokenRequest{Version: 2}, kerr.DelegationTokenRequestNotAllowed},
		{&kmsg.ExpireDelegationTokenRequest{Version: 2}, kerr.DelegationTokenRequestNotAllowed},
		{&kmsg.DescribeDelegationTokenRequest{Version: 3}, kerr.DelegationTokenRequestNotAllowed},
		{&kmsg.UnregisterBrokerRequest{BrokerID: 7}, kerr.BrokerIDNotRegistered},
		{&kmsg.UnregisterBrokerRequest{BrokerID: 1}, kerr.InvalidRequest},
		{&kmsg.AddRaftVoterRequest{Version: 1, ClusterID: &wrong}, kerr.InconsistentClusterID},
		{&kmsg.AddRaftVoterRequest{Version: 1}, kerr.InvalidRequest},
		{&kmsg.AddRaftVoterRequest{Version: 1, VoterID: 2, VoterDirectoryID: directory}, kerr.InvalidRequest},
		{&kmsg.RemoveRaftVoterRequest{VoterID: 2, VoterDirectoryID: directory}, kerr.VoterNotFound},
		{&kmsg.DescribeClusterRequest{Version: 2, EndpointType: 2}, kerr.MismatchedEndpointType},
		{&kmsg.DescribeClusterRequest{Version: 2, EndpointType: 3}, kerr.UnsupportedEndpointType},
	} {
		c.send(1, tt.req)
		var got int16
		switch resp := receive[kmsg.Response](c, tt.req, 1).(type) {
		case *kmsg.SASLHandshakeResponse:
			got = resp.ErrorCode
		case *kmsg.SASLAuthenticateResponse:
			got = resp.ErrorCode
		case *kmsg.CreateDelegationTokenResponse:
			got = resp.ErrorCode
		case *kmsg.RenewDelegationTokenResponse:
			got = resp.ErrorCode
		case *kmsg.ExpireDelegationTokenResponse:
			got = resp.ErrorCode
		case *kmsg.DescribeDelegationTokenResponse:
			got = resp.ErrorCode
		case *kmsg.UnregisterBrokerResponse:
			got = resp.ErrorCode
		case *kmsg.AddRaftVoterResponse:
			got = resp.ErrorCode
		case *kmsg.RemoveRaftVoterResponse:
			got = resp.ErrorCode
		case *kmsg.DescribeClusterResponse:
			got = resp.ErrorCode
		}
		if got != tt.want.Code {
			t.Errorf("%T %+v: got %v", tt.req, tt.req, kerr.ErrorForCode(got))
		}
	}
}

// A broker that is known and does not serve can be forgotten, once.
func TestUnregisterBroker(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	key := metadata.RegistrationKey(b.cfg.Cluster, 9)
	r.commit(metadata.Put(key, metadata.Encode(metadata.Registration{Broker: 9})))
	r.await("the broker is known", func() bool { return b.image.Current().IsRegistered(9) })
	unregister := func() int16 {
		resp, err := (&kmsg.UnregisterBrokerRequest{BrokerID: 9}).RequestWith(t.Context(), r.client())
		if err != nil {
			t.Fatal(err)
		}
		return resp.ErrorCode
	}
	if code := unregister(); code != 0 {
		t.Errorf("got %v", kerr.ErrorForCode(code))
	}
	r.await("the broker is forgotten", func() bool { return !b.image.Current().IsRegistered(9) })
	if code := unregister(); code != kerr.BrokerIDNotRegistered.Code {
		t.Errorf("the second time: %v", kerr.ErrorForCode(code))
	}
}
