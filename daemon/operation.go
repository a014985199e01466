package daemon

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"weir/awsapi"
	"weir/control/resource"
)

// Operation is an operation of a cluster as `weir operation` shows it. Field names are those of the API where it has one.
type Operation struct {
	ARN        string            `json:"clusterOperationArn"`
	Cluster    string            `json:"clusterArn"`
	Type       string            `json:"operationType"`
	State      string            `json:"operationState"`
	Started    time.Time         `json:"startTime"`
	Ended      time.Time         `json:"endTime,omitzero"`
	Percent    int               `json:"percent"`
	Remaining  *int64            `json:"estimatedRemainingMillis,omitempty"`
	Steps      []OperationStep   `json:"steps,omitempty"`
	Brokers    []OperationBroker `json:"brokers,omitempty"`
	Moves      *OperationMoves   `json:"moves,omitempty"`
	QueuePlace int               `json:"queuePosition,omitempty"`
	Undoing    *OperationError   `json:"undoing,omitempty"` // why it is taken back
	Error      *OperationError   `json:"errorInfo,omitempty"`
}

// OperationStep is one step of an Operation.
type OperationStep struct {
	Name    string    `json:"name"`
	Status  string    `json:"status"`
	Started time.Time `json:"startTime,omitzero"`
	Ended   time.Time `json:"endTime,omitzero"`
}

// OperationBroker is how far a rolling operation is with one broker.
type OperationBroker struct {
	ID      int       `json:"brokerId"`
	Status  string    `json:"status"`
	Started time.Time `json:"startTime,omitzero"`
	Ended   time.Time `json:"endTime,omitzero"`
}

// OperationMoves is how far the moving of partitions is.
type OperationMoves struct {
	Remaining int    `json:"partitionsRemaining"`
	Total     int    `json:"partitionsTotal"`
	Problem   string `json:"problem,omitempty"`
}

// OperationError is why an operation failed.
type OperationError struct {
	Code    string `json:"errorCode"`
	Message string `json:"errorString"`
}

// Over tells whether the operation ended.
func (o *Operation) Over() bool { return !o.Ended.IsZero() }

// Failed tells whether it ended without doing what it was to do.
func (o *Operation) Failed() bool { return strings.HasSuffix(o.State, "_FAILED") }

// operationPoll is how often a watched operation is looked at.
const operationPoll = 200 * time.Millisecond

// WatchOperation calls show with the operation each time that it was looked at, until it has ended or ctx does. It returns how it ended.
func WatchOperation(ctx context.Context, data, arn string, show func(*Operation)) (*Operation, error) {
	c, err := dialAPI(ctx, data)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(operationPoll)
	defer tick.Stop()
	for {
		op, err := c.progress(ctx, arn)
		if err != nil {
			return nil, err
		}
		show(op)
		if op.Over() {
			return op, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return op, ctx.Err()
		}
	}
}

func (c *apiClient) progress(ctx context.Context, arn string) (*Operation, error) {
	var out struct{ OperationProgress *Operation }
	err := c.call(ctx, "weir", http.MethodGet, "/weir/v1/operations/"+segment(&arn)+"/progress", nil, nil, &out)
	return out.OperationProgress, err
}

// ListOperations returns the operations of a cluster, or of all if cluster is empty, newest first.
func ListOperations(ctx context.Context, data, cluster string) ([]Operation, error) {
	c, err := dialAPI(ctx, data)
	if err != nil {
		return nil, err
	}
	of := c.status.Clusters
	if cluster != "" {
		one, err := c.cluster(cluster)
		if err != nil {
			return nil, err
		}
		of = []ClusterStatus{one}
	}
	all := []Operation{}
	for _, s := range of {
		token := ""
		for {
			var out struct {
				ClusterOperationInfoList []struct {
					OperationArn, ClusterArn, OperationType, OperationState string
					StartTime, EndTime                                      time.Time
				}
				NextToken string
			}
			path := "/api/v2/clusters/" + segment(&s.ARN) + "/operations"
			if token != "" {
				path += "?nextToken=" + token
			}
			if err := c.call(ctx, "kafka", http.MethodGet, path, nil, nil, &out); err != nil {
				return nil, err
			}
			for _, o := range out.ClusterOperationInfoList {
				all = append(all, Operation{
					ARN: o.OperationArn, Cluster: o.ClusterArn, Type: o.OperationType, State: o.OperationState, Started: o.StartTime, Ended: o.EndTime,
				})
			}
			if token = out.NextToken; token == "" {
				break
			}
		}
	}
	slices.SortFunc(all, func(a, b Operation) int { return b.Started.Compare(a.Started) })
	return all, nil
}

// StopCluster and StartCluster ask for what MSK cannot: a cluster's brokers to end, everything else being kept, and to come back. They return the ARN of
// the operation that does it. With queue, it waits for operations that are under way.
func StopCluster(ctx context.Context, data, cluster string, queue bool) (string, error) {
	return changeCluster(ctx, data, cluster, "stop", queue)
}

// StartCluster brings a stopped cluster back; see StopCluster.
func StartCluster(ctx context.Context, data, cluster string, queue bool) (string, error) {
	return changeCluster(ctx, data, cluster, "start", queue)
}

func changeCluster(ctx context.Context, data, cluster, verb string, queue bool) (string, error) {
	c, err := dialAPI(ctx, data)
	if err != nil {
		return "", err
	}
	s, err := c.cluster(cluster)
	if err != nil {
		return "", err
	}
	header := http.Header{}
	if queue {
		header.Set(awsapi.QueueHeader, "true")
	}
	var out struct{ ClusterOperationArn string }
	err = c.call(ctx, "weir", http.MethodPost, "/weir/v1/clusters/"+segment(&s.ARN)+"/"+verb, header, struct{}{}, &out)
	return out.ClusterOperationArn, err
}

// IsStopped tells whether a cluster of a Status was stopped.
func (c *ClusterStatus) IsStopped() bool {
	return c.State == string(resource.Maintenance) && strings.HasPrefix(c.StateInfo, resource.CodeStopped+":")
}
