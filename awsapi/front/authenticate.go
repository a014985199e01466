package front

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"weir/authn"
	"weir/awsapi"
	"weir/awsapi/sigv4"
)

// findService takes the service from the credential scope: the surest sign of what a client means, as paths and versions repeat.
func (f *Front) findService(c *call, claim *sigv4.Claim) error {
	s := f.services[claim.Service]
	if s == nil {
		return awsapi.NewFault(http.StatusNotFound, "UnknownServiceException",
			"The service '%s', which the request is signed for, is not served here. Served are: %s.", claim.Service, strings.Join(f.names, ", "))
	}
	c.service = s
	c.proto = pickProtocol(s.model, c.r)
	return nil
}

// guessService finds the service of a request whose claim could not be read, only to answer in its form: EC2's refusals differ from those of
// the other query services, and only the parameters tell the two apart.
func (f *Front) guessService(c *call) {
	if c.proto != awsapi.Query {
		return
	}
	var err error
	if c.body, err = readBody(c.w, c.r, f.cfg.BodyBytesMax); err != nil {
		return
	}
	params, err := f.queryParams(c)
	if err != nil {
		return
	}
	for _, s := range f.services {
		if s.model.APIVersion == params.Get("Version") {
			c.service, c.proto = s, pickProtocol(s.model, c.r)
			return
		}
	}
}

// authenticate proves the claim. An unknown key and a wrong signature take the same work.
func (f *Front) authenticate(ctx context.Context, c *call, signed *sigv4.Request, claim *sigv4.Claim) error {
	key, err := f.deps.AccessKey(ctx, claim.AccessKey)
	unknown := errors.Is(err, authn.ErrUnknownKey)
	if err != nil && !unknown {
		return fmt.Errorf("look up access key: %w", err)
	}
	secret := key.Secret.Reveal()
	if unknown {
		secret = f.dummy
	}
	err = claim.Verify(signed, secret, f.deps.Now())
	if unknown || claim.SessionToken != "" && err == nil {
		// There are no temporary credentials yet, so no session token is one of ours.
		e, ok := errors.AsType[*sigv4.Error](err)
		if !ok || e.Reason == sigv4.Mismatch {
			return f.unknownKeyFault(c)
		}
	}
	if err != nil {
		return f.authFault(c, err)
	}
	if region := claim.Region; region != f.cfg.Region && (!c.service.model.Global || region != globalRegion) {
		return f.authFault(c, &sigv4.Error{Reason: sigv4.BadScope, Message: fmt.Sprintf(
			"Credential should be scoped to a valid region, not '%s'. This endpoint serves '%s'.", region, f.cfg.Region)})
	}
	c.principal = key.Principal
	return nil
}

// globalRegion is the region that SDKs sign calls of global services for.
const globalRegion = "us-east-1"

// unknownKeyFault is the answer to an access key, or a session token, that does not exist.
func (f *Front) unknownKeyFault(c *call) *awsapi.Fault {
	const text = "The security token included in the request is invalid."
	switch c.proto {
	case awsapi.EC2Query:
		return ec2AuthFailure()
	case awsapi.Query:
		return awsapi.NewFault(http.StatusForbidden, "InvalidClientTokenId", text)
	default:
		return awsapi.NewFault(jsonAuthStatus(c.proto), "UnrecognizedClientException", text)
	}
}

func ec2AuthFailure() *awsapi.Fault {
	return awsapi.NewFault(http.StatusUnauthorized, "AuthFailure", "AWS was not able to validate the provided access credentials")
}

// jsonAuthStatus: awsJson services refuse with 400, rest services with 403.
func jsonAuthStatus(p awsapi.Protocol) int {
	if slices.Contains([]awsapi.Protocol{awsapi.JSON10, awsapi.JSON11}, p) {
		return http.StatusBadRequest
	}
	return http.StatusForbidden
}

// authFault words a signature error as the endpoints of the request's protocol do.
func (f *Front) authFault(c *call, err error) error {
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok {
		return err
	}
	switch c.proto {
	case awsapi.EC2Query:
		return ec2Fault(e)
	case awsapi.Query:
		return queryFault(e)
	default:
		return jsonFault(e, jsonAuthStatus(c.proto))
	}
}

func jsonFault(e *sigv4.Error, status int) *awsapi.Fault {
	switch e.Reason {
	case sigv4.Missing:
		return awsapi.NewFault(status, "MissingAuthenticationTokenException", "%s", e.Message)
	case sigv4.Malformed:
		return awsapi.NewFault(http.StatusBadRequest, "IncompleteSignatureException", "%s", e.Message)
	case sigv4.Ambiguous:
		return awsapi.NewFault(http.StatusBadRequest, "InvalidSignatureException", "%s", e.Message)
	default:
		return awsapi.NewFault(status, "InvalidSignatureException", "%s", e.Message)
	}
}

func queryFault(e *sigv4.Error) *awsapi.Fault {
	switch e.Reason {
	case sigv4.Missing:
		return awsapi.NewFault(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
	case sigv4.Malformed:
		return awsapi.NewFault(http.StatusBadRequest, "IncompleteSignature", "%s", e.Message)
	case sigv4.Ambiguous:
		return awsapi.NewFault(http.StatusBadRequest, "SignatureDoesNotMatch", "%s", e.Message)
	default:
		return awsapi.NewFault(http.StatusForbidden, "SignatureDoesNotMatch", "%s", e.Message)
	}
}

func ec2Fault(e *sigv4.Error) *awsapi.Fault {
	switch e.Reason {
	case sigv4.Expired:
		return awsapi.NewFault(http.StatusBadRequest, "RequestExpired", "Request has expired. %s", e.Message)
	case sigv4.Malformed, sigv4.Ambiguous:
		return awsapi.NewFault(http.StatusBadRequest, "AuthFailure", "%s", e.Message)
	case sigv4.BadScope:
		return awsapi.NewFault(http.StatusUnauthorized, "AuthFailure", "%s", e.Message)
	default:
		return ec2AuthFailure()
	}
}
