package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Keys are the names of all keys in the metadata store of a running `weir up`, as an operator with etcd's tools sees them.
func (w *Weir) Keys(ctx context.Context) ([]string, error) {
	sockets, err := filepath.Glob(filepath.Join(w.Data, "*", "*.sock*"))
	if err != nil {
		return nil, err
	}
	more, err := filepath.Glob(filepath.Join(w.Data, "*.sock*"))
	if err != nil {
		return nil, err
	}
	for _, socket := range append(more, sockets...) {
		keys, listErr := listKeys(ctx, "unix://"+socket)
		if listErr == nil && len(keys) > 0 {
			return keys, nil
		}
		err = listErr
	}
	return nil, fmt.Errorf("no socket of etcd answers in %s: %w", w.Data, err)
}

func listKeys(ctx context.Context, endpoint string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cl, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: time.Second, Context: ctx})
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	response, err := cl.Get(ctx, "", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(response.Kvs))
	for i, kv := range response.Kvs {
		keys[i] = string(kv.Key)
	}
	return keys, nil
}
