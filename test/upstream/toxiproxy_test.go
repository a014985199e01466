package upstream

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// toxiproxy answers what sarama's tests ask of toxiproxy's HTTP API.
type toxiproxy struct{ proxies map[string]*proxy }

// proxyState is a proxy in the API's words.
type proxyState struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Enabled  bool   `json:"enabled"`
}

// toxic is a fault in the API's words.
type toxic struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Attributes map[string]int `json:"attributes"`
}

func (x *toxiproxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if r.Method == http.MethodPost && parts[0] == "reset" {
		for _, p := range x.proxies {
			p.reset()
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if parts[0] != "proxies" || len(parts) < 2 || x.proxies[parts[1]] == nil {
		http.Error(w, "no such proxy", http.StatusNotFound)
		return
	}
	p := x.proxies[parts[1]]
	switch {
	case r.Method == http.MethodPost && len(parts) == 3:
		var fault toxic
		if err := json.NewDecoder(r.Body).Decode(&fault); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		switch fault.Type {
		case "reset_peer":
			p.setFault(true, 0)
		case "latency":
			p.setFault(false, time.Duration(fault.Attributes["latency"])*time.Millisecond)
		default:
			http.Error(w, "no such toxic: "+fault.Type, http.StatusBadRequest)
			return
		}
	case r.Method == http.MethodPost:
		var state proxyState
		if err := json.NewDecoder(r.Body).Decode(&state); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := p.enable(state.Enabled); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(proxyState{Name: p.name, Listen: p.listen, Upstream: p.broker, Enabled: p.enabled()}) // the client notices
}

// serve runs an HTTP server until the test ends and returns its address.
func serve(t *testing.T, h http.Handler) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // until Shutdown
	}()
	t.Cleanup(func() {
		_ = s.Shutdown(context.Background()) //nolint:usetesting // the test's context has ended
		<-done
	})
	return l.Addr().String()
}
