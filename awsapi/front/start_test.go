package front_test

import (
	"net/http/httptest"
	"testing"

	"weir/awsapi/front/internal/echo"
)

// BenchmarkFirstCall is what a process start pays: binding all services, and the first call, which builds its plans.
func BenchmarkFirstCall(b *testing.B) {
	d := dialects()[0]
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		services := echo.Services(new(echo.Recorder))
		r := d.request(b)
		b.StartTimer()
		newFrontOf(b, signedAt, services...).ServeHTTP(httptest.NewRecorder(), r)
	}
}

// BenchmarkCall is a later call of the same operation.
func BenchmarkCall(b *testing.B) {
	d := dialects()[0]
	f := newFrontOf(b, signedAt, echo.Services(new(echo.Recorder))...)
	b.ReportAllocs()
	for b.Loop() {
		f.ServeHTTP(httptest.NewRecorder(), d.request(b))
	}
}
