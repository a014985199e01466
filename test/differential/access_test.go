package differential

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

func accessScenarios() []scenario {
	return []scenario{
		{"sasl on a plaintext listener", []int16{17, 36}, sasl},
		{"delegation tokens", []int16{38, 39, 40, 41}, delegationTokens},
		{"scram credentials", []int16{50, 51}, scram},
		{"acls", []int16{29, 30, 31}, acls},
	}
}

func sasl(d *dialogue) {
	d.each(17, func(v int16) {
		for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-512", "NOPE", ""} {
			ask[*kmsg.SASLHandshakeResponse](d, "handshake "+mechanism, v, &kmsg.SASLHandshakeRequest{Mechanism: mechanism})
		}
	})
	d.each(36, func(v int16) {
		ask[*kmsg.SASLAuthenticateResponse](d, "authenticate", v, asked(kmsg.NewPtrSASLAuthenticateRequest(), func(r *kmsg.SASLAuthenticateRequest) {
			r.SASLAuthBytes = []byte("\x00user\x00secret")
		}))
	})
}

func delegationTokens(d *dialogue) {
	d.each(38, func(v int16) {
		ask[*kmsg.CreateDelegationTokenResponse](d, "create", v, asked(kmsg.NewPtrCreateDelegationTokenRequest(), func(r *kmsg.CreateDelegationTokenRequest) {
			r.MaxLifetimeMillis = -1
			r.Renewers = []kmsg.CreateDelegationTokenRequestRenewer{{PrincipalType: "User", PrincipalName: "a"}}
		}))
	})
	d.each(39, func(v int16) {
		ask[*kmsg.RenewDelegationTokenResponse](d, "renew", v, &kmsg.RenewDelegationTokenRequest{HMAC: []byte("x"), RenewTimeMillis: 1})
	})
	d.each(40, func(v int16) {
		ask[*kmsg.ExpireDelegationTokenResponse](d, "expire", v, &kmsg.ExpireDelegationTokenRequest{HMAC: []byte("x"), ExpiryPeriodMillis: 1})
	})
	d.each(41, func(v int16) {
		ask[*kmsg.DescribeDelegationTokenResponse](d, "describe", v, &kmsg.DescribeDelegationTokenRequest{
			Owners: []kmsg.DescribeDelegationTokenRequestOwner{{PrincipalType: "User", PrincipalName: "a"}},
		})
	})
}

func scram(d *dialogue) {
	type up = kmsg.AlterUserSCRAMCredentialsRequestUpsertion
	type del = kmsg.AlterUserSCRAMCredentialsRequestDeletion
	alter := func(label string, deletions []del, upsertions ...up) {
		ask[*kmsg.AlterUserSCRAMCredentialsResponse](d, label, newest, &kmsg.AlterUserSCRAMCredentialsRequest{Deletions: deletions, Upsertions: upsertions})
	}
	describe := func(label string, users ...string) {
		ask[*kmsg.DescribeUserSCRAMCredentialsResponse](d, label, newest, &kmsg.DescribeUserSCRAMCredentialsRequest{
			Users: list(users, func(u string) kmsg.DescribeUserSCRAMCredentialsRequestUser {
				return kmsg.DescribeUserSCRAMCredentialsRequestUser{Name: u}
			}),
		})
	}
	user := func(name string, mechanism int8, iterations int32) up {
		return up{Name: name, Mechanism: mechanism, Iterations: iterations, Salt: []byte("salt"), SaltedPassword: make([]byte, 32*int(max(1, min(mechanism, 2))))}
	}
	alter("two of one user", nil, user("sc-a", 1, 4096), user("sc-a", 2, 8192))
	alter("users", nil, user("sc-b", 2, 4096), user("sc-c", 1, 16384))
	d.settle()
	describe("some", "sc-a", "sc-b", "sc-absent")
	describe("all")
	describe("twice", "sc-a", "sc-a")
	describe("no name", "")
	alter("too few iterations", nil, user("sc-d", 1, 4095))
	alter("too many iterations", nil, user("sc-d", 1, 16385))
	alter("unknown mechanism", nil, user("sc-d", 0, 4096))
	alter("mechanism 9", nil, user("sc-d", 9, 4096))
	alter("no user", nil, user("", 1, 4096))
	alter("user twice", nil, user("sc-d", 1, 4096), user("sc-d", 1, 5000))
	alter("good and bad", nil, user("sc-e", 1, 4096), user("sc-f", 1, 1))
	alter("delete", []del{{Name: "sc-b", Mechanism: 2}})
	alter("delete again", []del{{Name: "sc-b", Mechanism: 2}})
	alter("delete another mechanism", []del{{Name: "sc-c", Mechanism: 2}})
	alter("delete an unknown mechanism", []del{{Name: "sc-c", Mechanism: 0}})
	alter("delete a stranger", []del{{Name: "sc-absent", Mechanism: 1}})
	alter("delete nobody", []del{{Name: "", Mechanism: 1}})
	alter("delete and set", []del{{Name: "sc-a", Mechanism: 1}}, user("sc-a", 1, 4096))
	alter("nothing", nil)
	d.settle()
	describe("at last", "sc-a", "sc-b", "sc-c", "sc-d", "sc-e", "sc-f")
}

func acls(d *dialogue) {
	type creation = kmsg.CreateACLsRequestCreation
	const (
		topic, group, cluster, txn, token, user   = 2, 3, 4, 5, 6, 7
		literal, prefixed, match                  = 3, 4, 2
		any, all, read, write, describe, alterCfg = 1, 2, 3, 4, 8, 11
		deny, allow                               = 2, 3
	)
	acl := func(kind kmsg.ACLResourceType, name string, pattern kmsg.ACLResourcePatternType, op kmsg.ACLOperation) creation {
		return creation{ResourceType: kind, ResourceName: name, ResourcePatternType: pattern, Principal: "User:acl", Host: "*", Operation: op, PermissionType: allow}
	}
	change := func(c creation, f func(*creation)) creation {
		f(&c)
		return c
	}
	d.each(30, func(v int16) {
		create := func(label string, creations ...creation) {
			ask[*kmsg.CreateACLsResponse](d, label, v, &kmsg.CreateACLsRequest{Creations: creations})
		}
		create("valid ones", acl(topic, "acl-topic", literal, read), acl(topic, "acl-", prefixed, write), acl(group, "acl-group", literal, read),
			change(acl(topic, "acl-topic", literal, write), func(c *creation) { c.PermissionType = deny }), acl(txn, "acl-txn", literal, describe))
		create("again", acl(topic, "acl-topic", literal, read))
		create("pattern any", acl(topic, "acl-topic", any, read))
		create("pattern match", acl(topic, "acl-topic", match, read))
		create("unknown pattern", acl(topic, "acl-topic", 0, read))
		create("pattern 9", acl(topic, "acl-topic", 9, read))
		create("type any", acl(any, "acl-topic", literal, read))
		create("unknown type", acl(0, "acl-topic", literal, read))
		create("type 99", acl(99, "acl-topic", literal, read))
		create("operation any", acl(topic, "acl-topic", literal, any))
		create("unknown operation", acl(topic, "acl-topic", literal, 0))
		create("permission any", change(acl(topic, "acl-topic", literal, read), func(c *creation) { c.PermissionType = any }))
		create("no resource", acl(topic, "", literal, read))
		create("operation that the resource does not have", acl(group, "acl-group", literal, alterCfg))
		create("another cluster", acl(cluster, "another", literal, describe))
		create("no principal", change(acl(topic, "acl-topic", literal, read), func(c *creation) { c.Principal = "" }))
		create("principal without type", change(acl(topic, "acl-topic", literal, read), func(c *creation) { c.Principal = "acl" }))
		create("good and bad", acl(topic, "acl-good", literal, read), acl(topic, "acl-bad", any, read))
		create("no host", change(acl(topic, "acl-nohost", literal, read), func(c *creation) { c.Host = "" }))
		create("token", acl(token, "acl-token", literal, describe))
		create("user", acl(user, "User:acl", literal, describe))
	})
	d.settle()
	filter := func(kind kmsg.ACLResourceType, name *string, pattern kmsg.ACLResourcePatternType, op kmsg.ACLOperation, permission kmsg.ACLPermissionType) *kmsg.DescribeACLsRequest {
		return &kmsg.DescribeACLsRequest{ResourceType: kind, ResourceName: name, ResourcePatternType: pattern, Operation: op, PermissionType: permission}
	}
	d.each(29, func(v int16) {
		look := func(label string, r *kmsg.DescribeACLsRequest) { ask[*kmsg.DescribeACLsResponse](d, label, v, r) }
		look("all", filter(any, nil, any, any, any))
		look("of a topic", filter(topic, ptr("acl-topic"), literal, any, any))
		look("that match a topic", filter(topic, ptr("acl-topic"), match, any, any))
		look("prefixed", filter(topic, ptr("acl-"), prefixed, any, any))
		look("denied", filter(any, nil, any, any, deny))
		look("of nothing", filter(topic, ptr("acl-absent"), literal, any, any))
		look("unknown type", filter(0, nil, any, any, any))
		look("unknown pattern", filter(any, nil, 0, any, any))
		look("unknown operation", filter(any, nil, any, 0, any))
		look("unknown permission", filter(any, nil, any, any, 0))
		look("type 99", filter(99, nil, any, any, any))
		of := filter(any, nil, any, all, any)
		of.Principal, of.Host = ptr("User:acl"), ptr("*")
		look("of a principal, operation all", of)
	})
	d.each(31, func(v int16) {
		del := func(label string, filters ...*kmsg.DescribeACLsRequest) {
			ask[*kmsg.DeleteACLsResponse](d, label, v, &kmsg.DeleteACLsRequest{Filters: list(filters, func(f *kmsg.DescribeACLsRequest) kmsg.DeleteACLsRequestFilter {
				return kmsg.DeleteACLsRequestFilter{
					ResourceType: f.ResourceType, ResourceName: f.ResourceName, ResourcePatternType: f.ResourcePatternType,
					Principal: f.Principal, Host: f.Host, Operation: f.Operation, PermissionType: f.PermissionType,
				}
			})})
		}
		del("unknown type", filter(0, nil, any, any, any))
		del("unknown pattern", filter(any, nil, 0, any, any))
		del("unknown operation", filter(any, nil, any, 0, any))
		del("one", filter(topic, ptr("acl-topic"), literal, read, allow))
		del("again", filter(topic, ptr("acl-topic"), literal, read, allow))
		if v == 3 {
			del("the rest", filter(any, nil, any, any, any))
		}
	})
	d.settle()
	ask[*kmsg.DescribeACLsResponse](d, "at last", newest, filter(any, nil, any, any, any))
}
