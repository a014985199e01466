package front_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"weir/authn"
	"weir/awsapi/front"
	"weir/awsapi/front/internal/echo"
)

// An account that calls too often is told so in the form of the service, per service, and served again a moment later.
func TestCallsTooManyAreRefusedInTheServicesForm(t *testing.T) {
	want := map[string]string{
		"restJson1": "429 TooManyRequestsException", "awsJson1.1": "400 ThrottlingException", "awsJson1.0": "400 ThrottlingException",
		"query": "400 Throttling", "ec2": "503 RequestLimitExceeded",
	}
	now := signedAt
	f, err := front.New(front.Config{Region: echo.Region, CallRate: 1}, front.Deps{
		Log: slog.New(slog.DiscardHandler), Services: echo.Services(&echo.Recorder{}), AccessKey: authn.NewKeys(echo.Root()).AccessKey,
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dialects() {
		ask := func() string {
			w := httptest.NewRecorder()
			f.ServeHTTP(w, d.request(t))
			if w.Code == 200 {
				return "200"
			}
			code, _ := faultOf(t, d.name, w)
			return fmt.Sprint(w.Code, " ", code)
		}
		const burst = front.CallBurst / front.CallRate
		for i := range burst {
			if got := ask(); got == want[d.name] {
				t.Errorf("%s: call %d: %s", d.name, i+1, got)
			}
		}
		if got := ask(); got != want[d.name] {
			t.Errorf("%s: one call too many: %s", d.name, got)
		}
		now = now.Add(time.Second)
		if got := ask(); got == want[d.name] {
			t.Errorf("%s: a second later: %s", d.name, got)
		}
	}
}
