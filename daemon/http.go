package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// Limits of an HTTP listener beside those of front.NewServer.
const (
	httpConnsMax  = 512
	httpDrainTime = 2 * time.Second // for answers under way when the server stops
)

// serveHTTP serves until ctx ends, and then lets answers under way finish.
func serveHTTP(ctx context.Context, l net.Listener, srv *http.Server) error {
	served := make(chan error, 1)
	go func() { served <- srv.Serve(netutil.LimitListener(l, httpConnsMax)) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP at %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpDrainTime)
	defer cancel()
	err := srv.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	<-served // http.ErrServerClosed
	return err
}
