package ec2

import (
	"fmt"
	"sync"
	"testing"

	gen "weir/awsapi/gen/ec2"
)

// TestChangesExcludeEachOther makes the same changes from several callers at once: of subnets that overlap one is made, and no rule is lost.
func TestChangesExcludeEachOther(t *testing.T) {
	ctx, s, n := seeded(t)
	const callers = 8
	vpc, err := s.CreateVpc(ctx, &gen.CreateVpcInput{CidrBlock: new("10.0.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	var made sync.Map
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			_, err := s.CreateSubnet(ctx, &gen.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: new(fmt.Sprintf("10.0.0.0/%d", 20+i%4))})
			if err == nil {
				made.Store(i, true)
			} else if code(err) != "InvalidSubnet.Conflict" {
				t.Errorf("caller %d: %v", i, err)
			}
			_, err = s.AuthorizeSecurityGroupIngress(ctx, &gen.AuthorizeSecurityGroupIngressInput{
				GroupId: &n.SecurityGroups[0].ID, IpProtocol: new("tcp"), CidrIp: new("10.0.0.0/8"), FromPort: new(int32(i)), ToPort: new(int32(i)),
			})
			if err != nil {
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	all.Wait()
	count := 0
	made.Range(func(any, any) bool { count++; return true })
	if count != 1 {
		t.Errorf("%d subnets of one block were made", count)
	}
	out, err := s.DescribeSecurityGroups(ctx, &gen.DescribeSecurityGroupsInput{GroupIds: []string{n.SecurityGroups[0].ID}})
	if err != nil || len(out.SecurityGroups[0].IpPermissions) != callers+1 {
		t.Errorf("rules: %+v, %v", out, err)
	}
}
