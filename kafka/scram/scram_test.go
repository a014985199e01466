package scram

import (
	"encoding/base64"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/metadata"
)

// The example of RFC 7677: user, pencil.
func TestKeysAreThoseOfTheRFC(t *testing.T) {
	decode := func(s string) []byte {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	got := derive(&Upsertion{Mechanism: SHA256, Iterations: 4096, Salt: decode("W22ZaJ0SNY7soEsUEjb6gQ=="), SaltedPassword: decode("xKSVEDI6tPlSysH6mUQZOeeOp01r6B3fcJbodRPcYV0=")})
	if stored, server := base64.StdEncoding.EncodeToString(got.StoredKey), base64.StdEncoding.EncodeToString(got.ServerKey); stored != "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=" || server != "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=" {
		t.Errorf("got %s and %s", stored, server)
	}
}

func TestAlter(t *testing.T) {
	store := metadata.NewMem()
	defer store.Close()
	password := make([]byte, 32)
	set := func(user string, m Mechanism, iterations int32) Upsertion {
		return Upsertion{User: user, Mechanism: m, Iterations: iterations, Salt: []byte("salt"), SaltedPassword: password}
	}
	alter := func(ds []Deletion, us ...Upsertion) map[string]error {
		t.Helper()
		results, _, err := Alter(t.Context(), store, "c", 0, ds, us)
		if err != nil {
			t.Fatal(err)
		}
		out := make(map[string]error)
		for _, r := range results {
			if _, twice := out[r.User]; twice {
				t.Errorf("%s is answered twice", r.User)
			}
			out[r.User] = r.Err
		}
		return out
	}
	want := func(got error, code *kerr.Error, message string) {
		t.Helper()
		f, ok := errors.AsType[*Fault](got)
		if code == nil && got != nil || code != nil && (!ok || f.Code != code || f.Message != message) {
			t.Errorf("got %v, want %v: %s", got, code, message)
		}
	}
	want(alter(nil, set("a", SHA256, 4096))["a"], nil, "")
	want(alter(nil, set("a", SHA512, 16384))["a"], nil, "")
	want(alter(nil, set("a", SHA256, 4095))["a"], kerr.UnacceptableCredential, "Too few iterations")
	want(alter(nil, set("a", SHA256, 16385))["a"], kerr.UnacceptableCredential, "Too many iterations")
	want(alter(nil, set("a", 3, 4096))["a"], kerr.UnsupportedSaslMechanism, "Unknown SCRAM mechanism")
	want(alter(nil, set("", SHA256, 4096))[""], kerr.UnacceptableCredential, "Username must not be empty")
	want(alter(nil, Upsertion{User: "a", Mechanism: SHA256, Iterations: 4096})["a"], kerr.UnknownServerError, "")
	want(alter([]Deletion{{"nosuch", SHA512}})["nosuch"], kerr.ResourceNotFound, "Attempt to delete a user credential that does not exist")
	want(alter([]Deletion{{"a", 0}})["a"], kerr.UnsupportedSaslMechanism, "Unknown SCRAM mechanism")
	got := alter([]Deletion{{"a", SHA512}}, set("a", SHA512, 4096), set("a", SHA256, 4096), set("b/ü", SHA256, 4096), set("c", SHA256, 1), set("c", SHA512, 4096))
	want(got["a"], kerr.DuplicateResource, "A user credential cannot be altered twice in the same request")
	want(got["b/ü"], nil, "")
	want(got["c"], kerr.UnacceptableCredential, "Too few iterations")
	if len(got) != 3 {
		t.Errorf("got %v", got)
	}
	user := func(name string) metadata.ScramUser {
		kv, ok, err := store.Get(t.Context(), metadata.ScramKey("c", name))
		if err != nil || !ok {
			return metadata.ScramUser{}
		}
		u, err := metadata.Decode[metadata.ScramUser](kv)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	if c := user("a").Credentials; len(c) != 2 || c["SCRAM-SHA-512"].Iterations != 16384 || len(c["SCRAM-SHA-512"].StoredKey) != 64 || len(c["SCRAM-SHA-256"].ServerKey) != 32 {
		t.Errorf("a has %v", c)
	}
	alter([]Deletion{{"a", SHA512}})
	alter([]Deletion{{"a", SHA256}})
	if _, ok, _ := store.Get(t.Context(), metadata.ScramKey("c", "a")); ok {
		t.Error("a user without credentials is kept")
	}
	if _, _, err := Alter(t.Context(), store, "c", UsersMax, nil, []Upsertion{set("z", SHA256, 4096)}); !errors.Is(err, ErrTooMany) {
		t.Errorf("too many: %v", err)
	}
}
