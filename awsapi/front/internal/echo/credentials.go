package echo

import "weir/authn"

// Region is the region that recordings are made for.
const Region = "us-east-1"

// Root returns the fixed credentials of recordings. They open nothing but the echo services.
func Root() authn.Root {
	return authn.Root{Account: authn.AccountID, AccessKeyID: "AKIAWEIRRECORDED0001", SecretAccessKey: "weirRecordedSecretKey0000000000000000001"}
}
