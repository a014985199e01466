package awsapi

import (
	"fmt"
	"strings"
)

// ARN is an Amazon resource name: arn:partition:service:region:account:resource. Resource may hold colons and slashes.
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// ParseARN reads an ARN. Region and account may be empty, partition, service and resource may not.
func ParseARN(s string) (ARN, error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return ARN{}, fmt.Errorf("%q is not an ARN", s)
	}
	return ARN{Partition: p[1], Service: p[2], Region: p[3], Account: p[4], Resource: p[5]}, nil
}

func (a ARN) String() string {
	return strings.Join([]string{"arn", a.Partition, a.Service, a.Region, a.Account, a.Resource}, ":")
}

// ResourceParts splits the resource at its slashes: ["cluster", name, uuid].
func (a ARN) ResourceParts() []string { return strings.Split(a.Resource, "/") }
