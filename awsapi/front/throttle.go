package front

import (
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"weir/awsapi"
)

// CallRate is how many calls a second one account may make of one service over time, and CallBurst how many at once, unless Config says otherwise. They
// keep a script that runs wild from taking the control plane away from everybody else; the service's own limits, which are tens a second and make
// Terraform wait, would keep nobody safe here.
const (
	CallRate  = 500
	CallBurst = 2000
)

// throttle counts calls per account and service. Accounts and services are few and known by then: the signature was verified.
type throttle struct {
	rate  rate.Limit
	burst int

	mu    sync.Mutex
	calls map[[2]string]*rate.Limiter
}

func newThrottle(perSecond int) *throttle {
	t := &throttle{rate: CallRate, burst: CallBurst, calls: map[[2]string]*rate.Limiter{}}
	if perSecond > 0 {
		t.rate, t.burst = rate.Limit(perSecond), perSecond*CallBurst/CallRate
	}
	return t
}

// allow takes one call, or tells that there were too many.
func (t *throttle) allow(account, service string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := [2]string{account, service}
	l := t.calls[key]
	if l == nil {
		l = rate.NewLimiter(t.rate, t.burst)
		t.calls[key] = l
	}
	return l.AllowN(now, 1)
}

// throttled is the refusal of a call too many, by the name that the service's clients know; they all wait and try again.
func throttled(c *call) *awsapi.Fault {
	code, status := "TooManyRequestsException", http.StatusTooManyRequests
	switch c.proto {
	case awsapi.JSON10, awsapi.JSON11:
		code, status = "ThrottlingException", http.StatusBadRequest
	case awsapi.Query:
		code, status = "Throttling", http.StatusBadRequest
	case awsapi.EC2Query:
		code, status = "RequestLimitExceeded", http.StatusServiceUnavailable
	case awsapi.RestJSON1, awsapi.RPCv2CBOR:
	}
	return awsapi.NewFault(status, code, "Rate exceeded: the account makes too many calls of %s. Wait, and try again.", c.service.model.Name)
}
