// Package leak ends the tests of a package with a look for goroutines that nobody ended.
package leak

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// endsWithin is how long a goroutine that was told to end may take. goleak itself waits for half a second, which on a machine with much to do is
// no time.
const endsWithin = 30 * time.Second

// VerifyTestMain runs the tests, and fails if they leave goroutines.
func VerifyTestMain(m *testing.M) { goleak.VerifyTestMain(patient{m}) }

type patient struct{ tests *testing.M }

func (p patient) Run() int {
	code := p.tests.Run()
	for end := time.Now().Add(endsWithin); code == 0 && time.Now().Before(end); {
		if goleak.Find() == nil {
			break
		}
	}
	return code
}
