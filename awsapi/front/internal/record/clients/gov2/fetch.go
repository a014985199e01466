package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// fetch makes a presigned request as a program would that has only the URL.
func fetch(ctx context.Context, method, url string) error {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(b), "GetCallerIdentityResult") {
		return fmt.Errorf("%s: %s", resp.Status, b)
	}
	return nil
}
