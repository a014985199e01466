package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Config is how an S3-compatible store is reached.
type S3Config struct {
	Endpoint    string // http://host:port or https://host:port
	Region      string
	Credentials string // file with [default] aws_access_key_id and aws_secret_access_key, as the AWS CLI has it
}

// S3 is a Sink in an S3-compatible store.
type S3 struct {
	client    *minio.Client
	transport *http.Transport
}

var _ Sink = (*S3)(nil)

// markName is the object's user metadata that holds its mark.
const markName = "Weir-Range"

// attempts of one request.
const attempts = 3

// NewS3 checks the configuration. It asks the store nothing.
func NewS3(cfg S3Config) (*S3, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("%q is not an endpoint: give it as http://host:port or https://host:port", cfg.Endpoint)
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("delivery: the default transport is another")
	}
	transport = transport.Clone()
	keys := credentials.NewFileAWSCredentials(cfg.Credentials, "default")
	if _, err := keys.GetWithContext(&credentials.CredContext{Client: http.DefaultClient}); err != nil {
		return nil, fmt.Errorf("credentials for the object store: %w", err)
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: keys, Secure: u.Scheme == "https", Region: cfg.Region, Transport: transport, MaxRetries: attempts,
		BucketLookup: minio.BucketLookupPath, // a store of one's own seldom has a name per bucket
	})
	if err != nil {
		return nil, fmt.Errorf("object store %s: %w", cfg.Endpoint, err)
	}
	return &S3{client: client, transport: transport}, nil
}

// Close ends connections that are idle.
func (s *S3) Close() { s.transport.CloseIdleConnections() }

// Check implements Sink.
func (s *S3) Check(ctx context.Context, bucket string) error {
	ok, err := s.client.BucketExists(ctx, bucket)
	if err == nil && !ok {
		return fmt.Errorf("%w: there is no bucket %s", ErrRefused, bucket)
	}
	return s3Error(err)
}

// Stat implements Sink.
func (s *S3) Stat(ctx context.Context, bucket, key string) (string, error) {
	info, err := s.client.StatObject(ctx, bucket, key, minio.StatObjectOptions{})
	switch {
	case minio.ToErrorResponse(err).Code == minio.NoSuchKey:
		return "", nil
	case err != nil:
		return "", s3Error(err)
	}
	for name, value := range info.UserMetadata {
		if http.CanonicalHeaderKey(name) == markName {
			return value, nil
		}
	}
	return "?", nil
}

// Put implements Sink.
func (s *S3) Put(ctx context.Context, o Object) error {
	class := o.Class
	if class == "STANDARD" {
		class = "" // which it is without saying
	}
	_, err := s.client.PutObject(ctx, o.Bucket, o.Key, bytes.NewReader(o.Body), int64(len(o.Body)), minio.PutObjectOptions{
		UserMetadata: map[string]string{markName: o.Mark}, ContentType: o.Type, ContentEncoding: o.Encoding, StorageClass: class,
		DisableMultipart: true, // one request: the object is there whole or not at all
	})
	return s3Error(err)
}

// s3Error tells refusals from what may pass.
func s3Error(err error) error {
	switch minio.ToErrorResponse(err).Code {
	case minio.NoSuchBucket, minio.AccessDenied, "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidStorageClass", "AllAccessDisabled", "AccountProblem":
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}
