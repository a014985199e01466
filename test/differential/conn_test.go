package differential

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errClosed says that the broker closed the connection instead of answering.
var errClosed = errors.New("connection closed")

// errSilent says that no answer came within the patience of a dialogue.
var errSilent = errors.New("no answer")

// patience bounds the wait for an answer. It is long, so that a busy machine looks like no silence: the longest that a scenario waits on purpose is a
// fetch of 500 ms, and who is known to be silent is waited for a moment only (dialogue.unanswered).
const patience = time.Minute

// moment is how long an answer is waited for that never comes.
const moment = time.Second

// conn is one connection to a broker. It knows frames and nothing of what is in them.
type conn struct {
	address string
	socket  net.Conn // nil until it is used, and again after a failure
	last    int32    // correlation id of the last request
	silent  bool     // no answer is expected
}

func (c *conn) close() {
	if c.socket != nil {
		c.socket.Close()
		c.socket = nil
	}
}

func (c *conn) dial() error {
	if c.socket != nil {
		return nil
	}
	socket, err := net.DialTimeout("tcp", c.address, patience)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", c.address, err)
	}
	c.socket = socket
	return nil
}

// exchange writes a whole frame, size included, and returns the body of the frame that comes back. The connection is given up on errors.
func (c *conn) exchange(frame []byte) ([]byte, error) {
	if err := c.dial(); err != nil {
		return nil, err
	}
	body, err := c.exchangeOn(c.socket, frame)
	if err != nil {
		c.close()
	}
	return body, err
}

func (c *conn) exchangeOn(socket net.Conn, frame []byte) ([]byte, error) {
	wait := patience
	if c.silent {
		wait = moment
	}
	if err := socket.SetDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	if _, err := socket.Write(frame); err != nil {
		return nil, errClosed
	}
	var size [4]byte
	if _, err := io.ReadFull(socket, size[:]); err != nil {
		return nil, silence(err)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > 64<<20 {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(socket, body); err != nil {
		return nil, silence(err)
	}
	return body, nil
}

func silence(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSilent
	}
	return errClosed
}

// frame encodes a request with its header in the version that it is set to.
func (c *conn) frame(req kmsg.Request) []byte {
	c.last++
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("differential")).AppendRequest(nil, req, c.last)
}

// request sends req in the version that it is set to and decodes the answer. An answer with bytes that its version does not have is an error.
func (c *conn) request(req kmsg.Request) (kmsg.Response, error) {
	body, err := c.exchange(c.frame(req))
	if err != nil {
		return nil, err
	}
	return c.decode(req, body)
}

func (c *conn) decode(req kmsg.Request, body []byte) (kmsg.Response, error) {
	r := kbin.Reader{Src: body}
	if id := r.Int32(); id != c.last {
		return nil, fmt.Errorf("the answer has correlation id %d, want %d", id, c.last)
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if resp.IsFlexible() && req.Key() != 18 { // the header of ApiVersions is never flexible (KIP-511)
		kmsg.SkipTags(&r)
	}
	if err := r.Complete(); err != nil {
		return nil, fmt.Errorf("decode the header: %w", err)
	}
	// An ApiVersions answer to a version that the broker does not know is of version 0.
	if req.Key() == 18 && len(r.Src) >= 2 && binary.BigEndian.Uint16(r.Src) == 35 {
		resp.SetVersion(0)
	}
	if err := resp.ReadFrom(r.Src); err != nil {
		return nil, fmt.Errorf("decode %s v%d: %w", kmsg.NameForKey(req.Key()), req.GetVersion(), err)
	}
	if again := resp.AppendTo(nil); len(again) != len(r.Src) {
		return nil, fmt.Errorf("%s v%d has %d bytes, %d of them are known", kmsg.NameForKey(req.Key()), req.GetVersion(), len(r.Src), len(again))
	}
	return resp, nil
}
