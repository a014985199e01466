package image

import (
	"sync/atomic"

	"weir/kafka/configdef"
	"weir/metadata"
)

// Static is a running broker's server.properties: what the broker was started with, and over it what the control plane's settings say of the properties
// that can change at run time. It is safe for concurrent use.
type Static struct {
	started map[string]string
	last    atomic.Pointer[staticAt]
}

// staticAt is the properties by one record of settings.
type staticAt struct {
	settings *metadata.Settings
	values   map[string]string
}

// NewStatic returns the properties of a broker that was started with those.
func NewStatic(started map[string]string) *Static { return &Static{started: started} }

// At returns the properties that hold as of img. The map must not be modified; it is the same one until the settings change.
func (s *Static) At(img *Image) map[string]string {
	settings := img.Settings()
	if settings == nil || settings.Properties == nil { // nothing was said: older control planes do not
		return s.started
	}
	if l := s.last.Load(); l != nil && l.settings == settings {
		return l.values
	}
	values := configdef.StaticLayer(s.started, settings.Properties)
	s.last.Store(&staticAt{settings, values})
	return values
}
