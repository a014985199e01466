package group

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Records have room for strings of 32 KiB, requests for more: what could not be read again is not written.
func TestNamesAreBounded(t *testing.T) {
	long := strings.Repeat("x", stringMax+1)
	c := New(1, testSettings, Deps{Log: discard()})
	if _, err := c.Commit(t.Context(), Commit{Group: long, Generation: -1}); err != kerr.InvalidGroupID {
		t.Errorf("group: %v", err)
	}
	for _, j := range []Join{
		{Group: "g", Instance: long}, {Group: "g", Member: long}, {Group: "g", ProtocolType: long}, {Group: "g", Protocols: []Protocol{{Name: long}}},
	} {
		if r := c.Join(t.Context(), j); r.Err != kerr.InvalidRequest {
			t.Errorf("join: %v", r.Err)
		}
	}
	for _, q := range []ConsumerBeat{joinBeat(long, "t"), joinBeat("m", strings.Repeat("t", subscriptionBytesMax))} {
		if r := c.ConsumerBeat(t.Context(), q); !errors.Is(r.Err, kerr.InvalidRequest) {
			t.Errorf("heartbeat: %v", r.Err)
		}
	}
}

// Clients choose the ids of groups, so their number is bounded. Those that are there go on.
func TestGroupsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.state.settings.GroupsMax = 2
		commit := func(group string) error {
			return b.commit(Commit{Group: group, Generation: -1, Offsets: offsets(5, 0)}).within(t, time.Second)
		}
		b.wantErr(commit("a"), nil)
		b.wantErr(commit("b"), nil)
		b.wantErr(commit("c"), kerr.GroupMaxSizeReached)
		j := request("")
		j.Group = "c"
		b.wantErr(b.join(j).within(t, time.Second).Err, kerr.GroupMaxSizeReached)
		b.wantErr(commit("a"), nil)
		j.Group = "b"
		if r := b.join(j).within(t, time.Second); r.Err != nil && r.Err != kerr.MemberIDRequired {
			t.Errorf("a group that is there: %v", r.Err)
		}
	})
}
