package front

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"time"

	"weir/awsapi"
)

// Limits of the HTTP listener (design/security.md, section 5). NewServer sets those that net/http enforces.
const (
	BodyBytesMax   = 1 << 20
	HeaderBytesMax = 16 << 10
	ReadTimeout    = 10 * time.Second // header and body
	WriteTimeout   = 30 * time.Second // from the end of the header to the end of the answer
	IdleTimeout    = 60 * time.Second
	StreamsMax     = 100 // of an HTTP/2 connection
)

// NewServer returns a server for h with the limits set; the caller listens, serves and shuts it down.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: ReadTimeout,
		ReadTimeout:       ReadTimeout,
		WriteTimeout:      WriteTimeout,
		IdleTimeout:       IdleTimeout,
		MaxHeaderBytes:    HeaderBytesMax,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: StreamsMax},
	}
}

func tooLarge(limit int64) *awsapi.Fault {
	return awsapi.NewFault(http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException",
		"The request body is larger than %d bytes.", limit)
}

// readBody reads the whole body, or refuses it as soon as it is seen to be too large.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge(limit)
	}
	if err != nil {
		return nil, awsapi.NewFault(http.StatusBadRequest, "RequestTimeout", "The request body could not be read to its end.").Wrap(err)
	}
	return b, nil
}

// unpack undoes the Content-Encoding of a body that has been verified as it was sent.
func unpack(r *http.Request, body []byte, limit int64) ([]byte, error) {
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
		return body, nil
	case "gzip":
	default:
		return nil, awsapi.NewFault(http.StatusUnsupportedMediaType, "UnsupportedMediaTypeException",
			"The only content encoding that is accepted is gzip.")
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, awsapi.NewFault(http.StatusBadRequest, "SerializationException", "The request body is not gzip: %v.", err)
	}
	out, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil {
		return nil, awsapi.NewFault(http.StatusBadRequest, "SerializationException", "The request body is damaged gzip: %v.", err)
	}
	if int64(len(out)) > limit {
		return nil, tooLarge(limit)
	}
	return out, nil
}
