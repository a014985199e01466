package group

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

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
