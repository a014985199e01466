package lint

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// allowed is the import table: what each package may import of this module. A new edge is a diff in this table, argued in its commit.
// Third parties and the standard library are not in it. Tests may import more: see allowedInTests.
var allowed = map[string][]string{
	"cmd/weir": {"daemon"},
	// daemon is the only package that knows the whole.
	"daemon": {"..."},

	// The data plane, from the socket down to the disk.
	"kafka/broker":      {"kafka/...", "metadata", "storage/buffer", "storage/batch"},
	"kafka/wire":        {"storage/buffer"},
	"kafka/group":       {"internal/planted", "kafka/coordinator", "kafka/configdef", "kafka/image", "kafka/partition", "kafka/sharestate", "metadata"},
	"kafka/coordinator": {"internal/planted", "kafka/partition", "kafka/image", "metadata", "storage/batch", "storage/buffer"},
	"kafka/sharestate":  {"kafka/coordinator", "kafka/configdef", "kafka/image", "kafka/partition", "metadata"},
	"kafka/share":       {"internal/planted", "kafka/partition", "kafka/sharestate", "metadata", "storage/batch"},
	"kafka/peer":        {"kafka/image", "kafka/wire", "metadata"},
	"kafka/balance":     {"kafka/image", "kafka/partition", "kafka/topic", "metadata"},
	"kafka/topic":       {"kafka/configdef", "kafka/image", "kafka/kind", "metadata"},
	"kafka/kind":        {"kafka/image", "metadata"},
	"kafka/txn":         {"internal/planted", "kafka/configdef", "kafka/coordinator", "kafka/image", "kafka/partition", "metadata"},
	"kafka/feature":     {"metadata"},
	"kafka/telemetry":   {"kafka/configdef", "storage/batch"},
	"kafka/logger":      {},
	"kafka/acl":         {"metadata"},
	"kafka/scram":       {"metadata"},
	"kafka/ownership":   {"kafka/configdef", "kafka/image", "kafka/partition", "metadata", "storage/..."},
	"kafka/jmx":         {},
	"kafka/partition":   {"internal/planted", "kafka/configdef", "metadata", "storage/batch", "storage/buffer", "storage/cache", "storage/segment", "storage/stream", "storage/tier", "storage/wal"},
	"kafka/image":       {"kafka/configdef", "metadata"},
	"kafka/quota":       {"metadata"},
	"kafka/configdef":   {},

	"storage/tier":    {"storage/batch", "storage/blob", "storage/buffer", "storage/compact", "storage/segment", "storage/stream", "storage/wal"},
	"storage/doctor":  {"storage/batch", "storage/blob", "storage/disk", "storage/segment", "storage/stream", "storage/wal"},
	"storage/compact": {"storage/batch", "storage/segment", "storage/wal"},
	"storage/stream":  {"storage/batch", "storage/blob", "storage/buffer", "storage/disk", "storage/segment", "storage/wal"},
	"storage/cache":   {"storage/blob", "storage/buffer", "storage/segment"},
	"storage/segment": {"storage/batch", "storage/wal"},
	"storage/blob":    {"storage/disk"},

	"storage/blob/blobtest": {"storage/blob"}, // the contract test that every store passes

	"storage/wal":    {"storage/buffer", "storage/disk"},
	"storage/batch":  {},
	"storage/buffer": {},
	"storage/disk":   {},

	"metadata":           {},
	"metadata/etcd":      {"metadata"},
	"metadata/storetest": {"metadata"}, // the contract test that both stores pass

	// The AWS face: generated types below, behaviour above.
	"awsapi":          {},
	"awsapi/protocol": {"awsapi"},
	"awsapi/sigv4":    {"awsapi"},
	"awsapi/front":    {"awsapi", "awsapi/protocol", "awsapi/sigv4", "authn"},
	// Recorded requests of real SDKs, and what records them: tests only.
	"awsapi/front/internal/...": {"authn", "awsapi", "awsapi/front", "awsapi/front/internal/...", "awsapi/gen/..."},
	"awsapi/gen":                {},
	"awsapi/gen/...":            {"awsapi"},
	"awsapi/models/codegen":     {},
	"authn":                     {"awsapi", "awsapi/sigv4", "metadata"},
	"aws/kafka":                 {"awsapi", "awsapi/gen/kafka", "control/dataplane", "control/resource", "delivery", "kafka/configdef", "metadata", "secret"},
	"aws/autoscaling":           {"awsapi", "awsapi/gen/applicationautoscaling", "control/resource", "metadata"},
	"aws/weir":                  {"awsapi", "awsapi/gen/weir", "control/resource", "metadata"},
	"aws/sts":                   {"authn", "awsapi", "awsapi/gen/sts"},
	"aws/ec2":                   {"awsapi", "awsapi/gen/ec2", "metadata", "control/resource"},
	"aws/kms":                   {"awsapi", "awsapi/gen/kms", "metadata", "control/resource"},
	"aws/logs":                  {"awsapi", "awsapi/gen/logs", "metadata", "control/resource"},
	"aws/secretsmanager":        {"awsapi", "awsapi/gen/secretsmanager", "metadata", "control/resource", "secret"},

	// Values that are kept sealed.
	"secret": {},

	// The control plane and the node meet the brokers in metadata only.
	"control":           {"control/...", "metadata"},
	"control/resource":  {"awsapi", "kafka/configdef", "metadata", "secret"},
	"control/reconcile": {},
	"control/dataplane": {"control/resource", "metadata"},
	"delivery":          {"control/dataplane", "control/resource", "metadata"},

	"control/dataplane/brokertest": {}, // a broker for tests
	"node":                         {"control/resource", "metadata"},

	// Not shipped.
	"internal/checker": {},
	"internal/leak":    {},
	"internal/franz":   {},
	"internal/planted": {},
	"internal/lint":    {},
	"sim":              {"storage/disk"},
	"test/cluster":     {},
	"test/...":         {"test/cluster"},
	"test/chaos":       {"internal/checker", "internal/planted", "test/cluster"},
	"test/rolling":     {"storage/batch", "test/cluster"}, // measures without a client library in between
	// The benchmark's load generator and its probes of the machine know no cluster of ours: they take addresses.
	"test/bench":     {"test/bench/...", "test/cluster"},
	"test/bench/...": {"internal/franz"},
}

// allowedInTests are edges of test files beyond those of the package itself.
var allowedInTests = map[string][]string{
	// The stores and disks that tests run on, the log below the broker, the look for leaks, and what the client needs.
	"...":            {"internal/franz", "internal/leak", "metadata", "metadata/etcd", "metadata/storetest", "sim", "storage/batch", "storage/disk", "storage/stream", "storage/wal"},
	"kafka/balance":  {"kafka/ownership", "storage/buffer"}, // does what was planned
	"storage/doctor": {"storage/tier"},                      // makes what is examined
	"awsapi/front":   {"awsapi/front/internal/echo", "awsapi/gen/..."},

	"control/dataplane": {"control/dataplane/brokertest"},
	"aws/kafka":         {"control/dataplane/brokertest"},
	"storage/blob":      {"storage/blob/blobtest"},
	// Reads are tested on containers.
	"kafka/broker":    {"storage/blob", "storage/cache", "storage/segment"},
	"kafka/partition": {"storage/blob"},
	// The codec is tested on the types that it is for.
	"awsapi/protocol": {"awsapi/gen/..."},
	"awsapi":          {"awsapi/gen/..."},
}

func TestImportsFollowTheTable(t *testing.T) {
	used := map[string]bool{}
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, "weir/")
		rule, ok := ruleFor(name)
		if !ok {
			t.Errorf("package %s is not in the import table of internal/lint", name)
			continue
		}
		used[rule] = true
		for _, imported := range p.Imports {
			checkEdge(t, name, imported, allowed[rule], false)
		}
		forTests := slices.Concat(allowed[rule], allowedInTests["..."], allowedInTests[name], []string{name})
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			checkEdge(t, name, imported, forTests, true)
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(allowed)) {
		if !used[rule] {
			t.Logf("no package yet for the table's %s", rule)
		}
	}
}

// ruleFor finds the table's row for a package: its own, or the longest row with "..." that covers it.
func ruleFor(name string) (string, bool) {
	if _, ok := allowed[name]; ok {
		return name, true
	}
	best := ""
	for rule := range allowed {
		if matches(rule, name) && len(rule) > len(best) {
			best = rule
		}
	}
	return best, best != ""
}

func checkEdge(t *testing.T, from, imported string, targets []string, test bool) {
	t.Helper()
	to, ours := strings.CutPrefix(imported, "weir/")
	if !ours || slices.ContainsFunc(targets, func(rule string) bool { return matches(rule, to) }) {
		return
	}
	kind := "imports"
	if test {
		kind = "in its tests imports"
	}
	t.Errorf("%s %s %s, which the import table of internal/lint does not allow", from, kind, to)
}

// matches says whether a row's pattern covers a package: "a/..." is what is below a, "..." is everything.
func matches(pattern, name string) bool {
	prefix, tree := strings.CutSuffix(pattern, "...")
	if !tree {
		return pattern == name
	}
	return strings.HasPrefix(name, prefix)
}

// TestPlanesMeetInData names the walls that no row of the table may open.
func TestPlanesMeetInData(t *testing.T) {
	walls := []struct{ from, to, but, why string }{
		{"kafka/", "aws", "", "a broker knows nothing of the APIs that manage it"},
		{"kafka/", "control", "", "brokers and control share metadata records only"},
		{"storage/", "kafka/", "", "the log knows nothing of the protocol above it"},
		{"control", "kafka/broker", "", "control reaches brokers through records and public protocols"},
		{"control", "kafka/partition", "", "control reaches brokers through records and public protocols"},
		// What configs there are is data, which the records of control/resource are checked by.
		{"node", "kafka/", "kafka/configdef", "a node starts processes, whatever they speak"},
	}
	ps := listPackages(t)
	imports := map[string][]string{}
	for _, p := range ps {
		imports[strings.TrimPrefix(p.ImportPath, "weir/")] = p.Imports
	}
	for from := range imports {
		for _, w := range walls {
			if !strings.HasPrefix(from, w.from) {
				continue
			}
			for reached := range closure(imports, from) {
				if strings.HasPrefix(reached, w.to) && reached != from && reached != w.but {
					t.Errorf("%s reaches %s: %s", from, reached, w.why)
				}
			}
		}
	}
}

// closure is all packages of the module that from imports, directly or not.
func closure(imports map[string][]string, from string) map[string]bool {
	seen := map[string]bool{}
	var walk func(string)
	walk = func(name string) {
		for _, imported := range imports[name] {
			if to, ours := strings.CutPrefix(imported, "weir/"); ours && !seen[to] {
				seen[to] = true
				walk(to)
			}
		}
	}
	walk(from)
	return seen
}
