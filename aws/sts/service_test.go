package sts

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/awsapi"
	gen "weir/awsapi/gen/sts"
)

func TestCallerIdentityIsTheSigner(t *testing.T) {
	ctx := awsapi.WithScope(t.Context(), awsapi.Scope{
		Account: "000000000000", Region: "us-east-1",
		Principal: awsapi.Principal{ARN: "arn:aws:iam::000000000000:root", Account: "000000000000", UserID: "000000000000"},
	})
	got, err := New().GetCallerIdentity(ctx, &gen.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	want := &gen.GetCallerIdentityOutput{
		Account: new("000000000000"), Arn: new("arn:aws:iam::000000000000:root"), UserId: new("000000000000"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
