package wire

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const apiVersionsKey = 18

// appendHeader starts a response frame: room for the size, the correlation id, and the empty tagged fields of header version 1, which
// flexible responses have. ApiVersions always has header version 0, so that a client can read it before it knows what the broker speaks (KIP-511).
func appendHeader(dst []byte, key int16, correlationID int32, flexible bool) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlationID))
	if flexible && key != apiVersionsKey {
		dst = append(dst, 0)
	}
	return dst
}

// AppendResponse appends a whole response frame to dst. resp's version is set.
func AppendResponse(dst []byte, correlationID int32, resp kmsg.Response) []byte {
	start := len(dst)
	dst = appendHeader(dst, resp.Key(), correlationID, resp.IsFlexible())
	dst = resp.AppendTo(dst)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}
