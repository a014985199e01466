package front

import (
	"net/url"
	"strings"
	"testing"

	"weir/awsapi"
	"weir/awsapi/gen/kafka"
	"weir/awsapi/gen/kafkaconnect"
)

const (
	clusterARN  = "arn:aws:kafka:us-east-1:000000000000:cluster/demo/11112222-3333-4444-5555-666677778888-1"
	topicsARN   = "arn:aws:kafka:us-east-1:000000000000:cluster/topics/11112222-3333-4444-5555-666677778888-1"
	operationID = "arn:aws:kafka:us-east-1:000000000000:cluster-operation/demo/11112222-3333-4444-5555-666677778888-1/0"
)

func bound(t testing.TB, s awsapi.Service) *service {
	t.Helper()
	b, err := bind(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestARNsInPaths: escaped whole, with colons as they are, and with slashes as they are.
func TestARNsInPaths(t *testing.T) {
	s := bound(t, new(kafka.Service))
	tests := []struct{ method, before, arn, after, op string }{
		{"GET", "/v1/clusters/", clusterARN, "", "DescribeCluster"},
		{"DELETE", "/v1/clusters/", clusterARN, "", "DeleteCluster"},
		{"PUT", "/v1/clusters/", clusterARN, "/nodes/count", "UpdateBrokerCount"},
		{"GET", "/v1/clusters/", clusterARN, "/nodes", "ListNodes"},
		{"GET", "/v1/clusters/", clusterARN, "/topics", "ListTopics"},
		{"GET", "/v1/clusters/", clusterARN, "/topics/t", "DescribeTopic"},
		{"GET", "/v1/clusters/", clusterARN, "/topics/t/partitions", "DescribeTopicPartitions"},
		{"GET", "/v1/clusters/", topicsARN, "", "DescribeCluster"},
		{"GET", "/v1/clusters/", topicsARN, "/topics/topics", "DescribeTopic"},
		{"GET", "/v1/operations/", operationID, "", "DescribeClusterOperation"},
		{"GET", "/api/v2/operations/", operationID, "", "DescribeClusterOperationV2"},
		{"POST", "/v1/tags/", clusterARN, "", "TagResource"},
		{"GET", "/v1/configurations/", strings.Replace(clusterARN, ":cluster/", ":configuration/", 1), "/revisions/3", "DescribeConfigurationRevision"},
	}
	for _, tt := range tests {
		for name, spell := range map[string]func(string) string{
			"escaped":           url.QueryEscape,
			"lower-case escape": func(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, ":", "%3a"), "/", "%2f") },
			"slashes escaped":   func(s string) string { return strings.ReplaceAll(s, "/", "%2F") },
			"colons escaped":    func(s string) string { return strings.ReplaceAll(s, ":", "%3A") },
			"as it is":          func(s string) string { return s },
		} {
			path := tt.before + spell(tt.arn) + tt.after
			op, labels, _ := s.findRoute(tt.method, path)
			if op == nil || op.model.Name != tt.op {
				t.Errorf("%s: %s %s is not %s but %v", name, tt.method, path, tt.op, op)
				continue
			}
			found := false
			for _, v := range labels {
				found = found || v == tt.arn
			}
			if !found {
				t.Errorf("%s: %s has labels %v", name, path, labels)
			}
		}
	}
}

func TestPathsThatAreNotRoutes(t *testing.T) {
	s := bound(t, new(kafka.Service))
	arn := url.QueryEscape(clusterARN)
	for _, path := range []string{
		"", "/", "//", "/v1", "/v1/", "/v1/clusters/", "/v1/clusters//nodes", "//v1/clusters", "/v1//clusters", "/v1/./clusters", "/v1/x/../clusters",
		"/v1/clusters/" + arn + "/", "/v1/clusters/" + arn + "/nodes/", "/V1/clusters", "/v1/Clusters", "/v1/clusters/%zz", "/v1%2Fclusters", "/v1/%63lusters",
		"/v1/clusters;a=b", "/v1/clusters/" + arn + "/nodes/count/x",
	} {
		if op, labels, _ := s.findRoute("GET", path); op != nil {
			t.Errorf("%q is %s with %v", path, op.model.Name, labels)
		}
	}
	if op, _, known := s.findRoute("PATCH", "/v1/clusters"); op != nil || !known {
		t.Error("a known path with another method is not told apart")
	}
}

// TestEveryTemplateLeadsToItsOperation fills in every label and expects the way back.
func TestEveryTemplateLeadsToItsOperation(t *testing.T) {
	for _, svc := range []awsapi.Service{new(kafka.Service), new(kafkaconnect.Service)} {
		s := bound(t, svc)
		for name, op := range s.operations {
			parts := strings.Split(op.model.URI, "/")
			for i, p := range parts {
				if isLabel(p) {
					parts[i] = "x%2F" + strings.Trim(p, "{}")
				}
			}
			got, labels, _ := s.findRoute(op.model.Method, strings.Join(parts, "/"))
			if got != op {
				t.Errorf("%s: %s leads to %v", name, op.model.URI, got)
			}
			for k, v := range labels {
				if v != "x/"+k {
					t.Errorf("%s: label %s is %q", name, k, v)
				}
			}
		}
	}
}

// FuzzRoute: however a path is spelled, what is found is what the raw segments spell: joined again they give the path.
func FuzzRoute(f *testing.F) {
	s := bound(f, new(kafka.Service))
	for _, r := range s.routes {
		f.Add(r.op.model.Method, r.op.model.URI)
	}
	f.Add("GET", "/v1/clusters/"+clusterARN+"/nodes")
	f.Fuzz(func(t *testing.T, method, path string) {
		op, labels, _ := s.findRoute(method, path)
		if op == nil {
			return
		}
		want := op.model.URI
		for k, v := range labels {
			if v == "" {
				t.Fatalf("%q: label %s is empty", path, k)
			}
			want = strings.Replace(want, "{"+k+"}", "\x00"+k, 1)
		}
		for k, v := range labels {
			want = strings.Replace(want, "\x00"+k, v, 1)
		}
		if got, err := url.PathUnescape(path); err != nil || got != want {
			t.Fatalf("%q is %s with %v", path, op.model.Name, labels)
		}
	})
}
