package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"weir/metadata"
	"weir/metadata/etcd"
	"weir/node"
	"weir/storage/disk"
)

// examined is a data directory that somebody looks at without changing anything in it, whether a weir up runs on it or not.
type examined struct {
	path    string
	running bool // a weir up has the directory: what is found may be changing
	store   metadata.Store
	close   func() error
}

// examine opens the data directory for looking. The metadata of a directory that nothing runs on are read from a copy: etcd has no way to open its files
// without writing to them.
func examine(ctx context.Context, data string) (*examined, error) {
	path, err := filepath.Abs(data)
	if err != nil {
		return nil, problem("cannot use the data directory "+data, err, "name another one with --data")
	}
	if known, err := checkFormat(path); err != nil {
		return nil, err
	} else if !known {
		return nil, &Problem{
			What: "there is no data directory at " + path, Why: "it has no file FORMAT",
			Fix: "name the directory of a weir up with --data", Code: ExitUsage,
		}
	}
	x := &examined{path: path}
	lock, err := disk.OS(path).Lock("LOCK")
	switch {
	case errors.Is(err, disk.ErrLocked):
		x.running = true
		store, err := etcd.Dial([]string{"unix://" + findSocket(path, metadataSocket)}, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, problem("cannot read the metadata of the weir up that runs on "+path, err, "try again, or end it first")
		}
		x.store, x.close = store, store.Close
		return x, nil
	case err != nil:
		return nil, problem("cannot use the data directory "+path, err, "make it readable for you")
	}
	server, dir, err := copiedMetadata(ctx, path)
	if err != nil {
		return nil, errors.Join(problem("cannot read the metadata in "+path, err, "see whether there is room in the temporary directory"), lock.Close())
	}
	x.store = server.Store()
	x.close = func() error { return errors.Join(server.Close(), os.RemoveAll(dir), lock.Close()) }
	return x, nil
}

// copiedMetadata starts etcd on a copy of the data directory's.
func copiedMetadata(ctx context.Context, path string) (_ *etcd.Server, dir string, err error) {
	dir, err = os.MkdirTemp("", "weir-")
	if err != nil {
		return nil, "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err := copyTree(filepath.Join(path, "etcd"), filepath.Join(dir, "etcd")); err != nil {
		return nil, "", err
	}
	server, err := etcd.Start(ctx, etcd.Config{
		Dir: filepath.Join(dir, "etcd"), Socket: filepath.Join(dir, metadataSocket), Log: slog.New(slog.DiscardHandler),
	})
	return server, dir, err
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// brokerDir is one broker's directory, as found below the data directory.
type brokerDir struct {
	cluster string // uuid
	broker  metadata.BrokerID
	path    string
}

// brokerDirs lists the brokers that have a directory, those of cluster if that is not empty.
func (x *examined) brokerDirs(cluster string) ([]brokerDir, error) {
	found, err := filepath.Glob(filepath.Join(x.path, "clusters", "*", "broker-*"))
	if err != nil {
		return nil, err
	}
	var dirs []brokerDir
	for _, path := range found {
		n, err := strconv.ParseInt(strings.TrimPrefix(filepath.Base(path), "broker-"), 10, 32)
		uuid := filepath.Base(filepath.Dir(path))
		if err != nil || cluster != "" && uuid != cluster {
			continue
		}
		dirs = append(dirs, brokerDir{cluster: uuid, broker: metadata.BrokerID(n), path: node.BrokerDir(x.path, uuid, metadata.BrokerID(n))})
	}
	slices.SortFunc(dirs, func(a, b brokerDir) int { return strings.Compare(a.path, b.path) })
	return dirs, nil
}

// relative is how a path is shown.
func (x *examined) relative(path string) string {
	if r, err := filepath.Rel(x.path, path); err == nil {
		return r
	}
	return path
}

// topicNames are the names of the cluster's topics by id.
func (x *examined) topicNames(ctx context.Context, cluster string) (map[metadata.TopicID]string, error) {
	topics, err := records[metadata.Topic](ctx, x.store, metadata.ClusterPrefix(cluster)+"topic/")
	if err != nil {
		return nil, fmt.Errorf("read the topics: %w", err)
	}
	names := make(map[metadata.TopicID]string, len(topics))
	for name, t := range topics {
		names[t.ID] = name
	}
	return names, nil
}
