package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"weir/authn"
)

// apiClient calls the AWS APIs of the weir up that runs on a data directory, signed as its root: what a person asks for in a command goes the way that
// everything else goes.
type apiClient struct {
	status Status
	root   authn.Root
}

func dialAPI(ctx context.Context, data string) (*apiClient, error) {
	data, err := filepath.Abs(data)
	if err != nil {
		return nil, problem("cannot use the data directory "+data, err, "")
	}
	s, err := ReadStatus(ctx, data)
	if err != nil {
		return nil, err
	}
	root, err := authn.LoadRoot(credentialsPath(data))
	if err != nil {
		return nil, problem("cannot read the account's credentials", err, "")
	}
	return &apiClient{s, root}, nil
}

const (
	apiTimeout = 30 * time.Second
	// apiAnswerMax bounds what is read of an answer.
	apiAnswerMax = 8 << 20
)

// call makes one restJson1 call. Parts of the path that are ARNs are escaped by the caller. A refusal is a Problem with the service's words.
func (c *apiClient) call(ctx context.Context, service, method, path string, header http.Header, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.status.API+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Content-Type", "application/json")
	sum := sha256.Sum256(body)
	who := aws.Credentials{AccessKeyID: c.root.AccessKeyID, SecretAccessKey: c.root.SecretAccessKey.Reveal()}
	if err := v4.NewSigner().SignHTTP(ctx, who, req, hex.EncodeToString(sum[:]), service, c.status.Region, time.Now()); err != nil {
		return fmt.Errorf("sign a call of %s: %w", service, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return &Problem{What: "the AWS APIs do not answer", Why: err.Error(), Fix: "is weir up still running? see weir status", Code: ExitCannotConnect, Err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, apiAnswerMax))
	if err != nil {
		return problem("the AWS APIs' answer ends too early", err, "")
	}
	if resp.StatusCode/100 != 2 {
		return refusal(resp, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return problem("the AWS APIs' answer is not understood", err, "are weir and the running weir up of the same version?")
	}
	return nil
}

// refusal is what a service said instead of doing what it was asked for.
func refusal(resp *http.Response, answer []byte) error {
	var said struct{ Message string }
	_ = json.Unmarshal(answer, &said) // without words, the status must do
	p := &Problem{What: said.Message, Why: "request " + resp.Header.Get("X-Amzn-Requestid"), Code: ExitFailed}
	if p.What == "" {
		p.What = "the call failed with status " + resp.Status
	}
	switch resp.StatusCode {
	case http.StatusNotFound:
		p.Code = ExitNotFound
	case http.StatusBadRequest, http.StatusConflict:
		p.Code = ExitConflict
	case http.StatusUnauthorized, http.StatusForbidden:
		p.Code = ExitDenied
	}
	return p
}

// cluster finds a cluster by name or ARN.
func (c *apiClient) cluster(name string) (ClusterStatus, error) {
	var names []string
	for _, s := range c.status.Clusters {
		if s.Name == name || s.ARN == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	p := &Problem{What: fmt.Sprintf("there is no cluster %q", name), Fix: "see weir status", Code: ExitNotFound}
	if near := Nearest(name, names); near != "" {
		p.Fix = "did you mean " + near + "? see weir status"
	}
	return ClusterStatus{}, p
}

func segment(arn *string) string { return url.PathEscape(*arn) }
