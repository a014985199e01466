package awsapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"weir/awsapi"
	"weir/awsapi/gen/kafka"
)

func TestARNRoundTrips(t *testing.T) {
	for _, s := range []string{
		"arn:aws:kafka:us-east-1:000000000000:cluster/demo/11112222-3333-4444-5555-666677778888-1",
		"arn:aws:iam::000000000000:root",
		"arn:aws:secretsmanager:us-east-1:000000000000:secret:AmazonMSK_x-AbCdEf",
	} {
		a, err := awsapi.ParseARN(s)
		if err != nil || a.String() != s {
			t.Errorf("%s: %v, %v", s, a, err)
		}
	}
	a, _ := awsapi.ParseARN("arn:aws:kafka:r:1:cluster/demo/id")
	if p := a.ResourceParts(); len(p) != 3 || p[2] != "id" {
		t.Errorf("parts %q", p)
	}
	for _, s := range []string{"", "arn", "arn:aws:kafka:r:1", "arn:aws:kafka:r:1:", "arn::kafka:r:1:x", "arn:aws::r:1:x", "urn:aws:kafka:r:1:x"} {
		if a, err := awsapi.ParseARN(s); err == nil {
			t.Errorf("%q was read as %v", s, a)
		}
	}
}

func TestFaultsAreFoundInChains(t *testing.T) {
	exception := &kafka.NotFoundException{Message: "no such cluster", InvalidParameter: "clusterArn"}
	f := awsapi.AsFault(fmt.Errorf("describe: %w", exception))
	if f == nil || f.Code != "NotFoundException" || f.HTTPStatus() != http.StatusNotFound || f.ServerSide() || f.Detail != any(exception) {
		t.Errorf("exception: %+v", f)
	}
	cause := errors.New("disk on fire")
	plain := awsapi.NewFault(0, "InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", "vpc-1").Wrap(cause)
	f = awsapi.AsFault(fmt.Errorf("describe: %w", plain))
	if f != plain || f.HTTPStatus() != http.StatusBadRequest || !errors.Is(plain, cause) {
		t.Errorf("fault: %+v", f)
	}
	if strings.Contains(f.Message, "fire") || !strings.Contains(f.Error(), "fire") {
		t.Errorf("the cause belongs in the log (%q), not in the message (%q)", f.Error(), f.Message)
	}
	if f := awsapi.AsFault(cause); f != nil {
		t.Errorf("an ordinary error is the fault %v", f)
	}
	if f := awsapi.AsFault(nil); f != nil {
		t.Errorf("no error is the fault %v", f)
	}
}

func TestScope(t *testing.T) {
	want := awsapi.Scope{Account: "1", Region: "r", RequestID: "id"}
	if got := awsapi.ScopeFrom(awsapi.WithScope(t.Context(), want)); got != want {
		t.Errorf("scope %v", got)
	}
	if got := want.ARN("kafka", "cluster/x/y").String(); got != "arn:aws:kafka:r:1:cluster/x/y" {
		t.Error(got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a context without a scope passed")
		}
	}()
	awsapi.ScopeFrom(t.Context())
}
