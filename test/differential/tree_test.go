package differential

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fields is an answer as paths and values: "Topics[orders].Partitions[0].ErrorCode" = "3".
type fields map[string]string

// unanswered is the path at which fields tell why no answer came.
const unanswered = "(answer)"

// names gives what brokers choose themselves, such as ids, names that are the same on both systems: by the order in which they appear, or
// as a scenario says.
type names struct {
	given map[string]string // kind and value, to the name
	count map[string]int    // by kind
}

func newNames() *names {
	n := &names{given: map[string]string{}, count: map[string]int{}}
	for _, chosen := range []string{memberA, memberB, "stranger"} {
		n.give("member", chosen, chosen)
	}
	return n
}

// of returns the value's name.
func (n *names) of(kind, value string) string {
	at := kind + " " + value
	if name, ok := n.given[at]; ok {
		return name
	}
	n.count[kind]++
	n.given[at] = "<" + kind + " " + strconv.Itoa(n.count[kind]) + ">"
	return n.given[at]
}

func (n *names) give(kind, value, name string) { n.given[kind+" "+value] = "<" + name + ">" }

// giveTopic names the topic id of a part of an answer that has the topic's name as well.
func (n *names) giveTopic(v reflect.Value) {
	id := v.FieldByName("TopicID")
	if !id.IsValid() || id.IsZero() {
		return
	}
	for _, field := range []string{"Topic", "TopicName"} {
		name := v.FieldByName(field)
		if name.IsValid() && name.Kind() == reflect.Pointer {
			name = name.Elem()
		}
		if name.IsValid() && name.Kind() == reflect.String && name.String() != "" {
			n.give("id", fmt.Sprintf("%x", id.Interface()), "id of "+name.String())
		}
	}
}

// identities are the fields by which elements of a list are told apart, in order of preference. Brokers promise no order of lists.
var identities = []string{ //nolint:gochecknoglobals // a table
	"Topic", "Name", "ResourceName", "GroupID", "Group", "TransactionalID", "User", "ApiKey", "Key", "Partition", "NodeID", "MemberID",
}

// flatten reads an answer into fields.
func flatten(resp any, n *names) fields {
	f := fields{}
	f.add("", "", reflect.ValueOf(resp), n)
	return f
}

func (f fields) add(path, field string, v reflect.Value, n *names) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			f[path] = "null"
			return
		}
		f.add(path, field, v.Elem(), n)
	case reflect.Struct:
		n.giveTopic(v)
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if strings.HasSuffix(name, "ErrorMessage") {
				continue // whether there are words, and which, is each broker's own
			}
			if name == "UnknownTags" || name == "Version" && path == "" {
				continue
			}
			f.add(strings.TrimPrefix(path+"."+name, "."), name, v.Field(i), n)
		}
	case reflect.Slice:
		f.addList(path, field, v, n)
	default:
		f[path] = scalar(field, v, n)
	}
}

func (f fields) addList(path, field string, v reflect.Value, n *names) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		f.addBytes(path, field, v, n)
		return
	}
	if v.IsNil() {
		f[path] = "null"
		return
	}
	if v.Len() == 0 {
		f[path] = "[]"
		return
	}
	type element struct {
		id string
		v  reflect.Value
	}
	elements := make([]element, v.Len())
	natural := true
	for i := range elements {
		id, ok := identity(v.Index(i), n)
		elements[i] = element{id, v.Index(i)}
		natural = natural && ok
	}
	if natural {
		slices.SortStableFunc(elements, func(a, b element) int { return compareIdentities(a.id, b.id) })
	}
	seen := map[string]int{}
	for i, e := range elements {
		id := e.id
		switch seen[id]++; {
		case !natural:
			id = "#" + strconv.Itoa(i)
		case seen[id] > 1:
			id += "#" + strconv.Itoa(seen[id])
		}
		if scalarKind(e.v.Kind()) {
			id = "#" + strconv.Itoa(i)
		}
		f.add(path+"["+id+"]", field, e.v, n)
	}
}

func compareIdentities(a, b string) int {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}

func scalarKind(k reflect.Kind) bool {
	return k != reflect.Struct && k != reflect.Slice && k != reflect.Pointer
}

// identity is the value of the first identifying field of a list's element.
func identity(v reflect.Value, n *names) (string, bool) {
	switch v.Kind() {
	case reflect.Struct:
	case reflect.String, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fmt.Sprint(v.Interface()), true
	default:
		return "", false
	}
	if v.FieldByName("PermissionType").IsValid() { // of ACLs every field counts
		return fmt.Sprintf("%v", v.Interface()), true
	}
	if entity := v.FieldByName("Entity"); entity.IsValid() { // of quotas
		var parts []string
		for i := range entity.Len() {
			e := entity.Index(i)
			part := e.FieldByName("Type").String()
			if name := e.FieldByName("Name"); !name.IsNil() {
				part += "=" + name.Elem().String()
			}
			parts = append(parts, part)
		}
		slices.Sort(parts)
		return strings.Join(parts, ","), true
	}
	found := false
	for _, name := range identities {
		at := v.FieldByName(name)
		if at.IsValid() && at.Kind() == reflect.Pointer && !at.IsNil() {
			at = at.Elem()
		}
		if !at.IsValid() || at.Kind() == reflect.Slice || at.Kind() == reflect.Struct || at.Kind() == reflect.Pointer {
			continue
		}
		found = true
		switch s := fmt.Sprint(at.Interface()); {
		case s == "": // a topic may have an id instead
		case name == "MemberID":
			return n.of("member", s), true
		default:
			return s, true
		}
	}
	if at := v.FieldByName("TopicID"); at.IsValid() {
		return scalar("TopicID", at, n), true
	}
	return "", found
}

// scalar renders a value; what brokers choose is renamed or masked by the name of its field.
func scalar(field string, v reflect.Value, n *names) string {
	switch {
	case v.Kind() == reflect.Array: // UUIDs
		if v.IsZero() {
			return "zero"
		}
		return n.of("id", fmt.Sprintf("%x", v.Interface()))
	case v.Kind() == reflect.String:
		return text(field, v.String(), n)
	case v.CanInt():
		return number(field, v.Int(), n)
	default:
		return fmt.Sprint(v.Interface())
	}
}

func text(field, s string, n *names) string {
	switch field {
	case "MemberID", "LeaderID", "Leader":
		if s != "" {
			return n.of("member", s)
		}
	case "Host", "ClientHost":
		if s != "" {
			return "<host>"
		}
	case "ClusterID":
		return "<cluster>"
	case "Dir":
		return "<directory>"
	}
	return strconv.Quote(s)
}

func number(field string, i int64, n *names) string {
	switch {
	case strings.HasSuffix(field, "Timestamp") && i > 0, strings.HasSuffix(field, "TimestampMillis") && i > 0, field == "LogAppendTime" && i > 0:
		return "<time>"
	case field == "ProducerID" && i >= 0:
		return n.of("producer", strconv.FormatInt(i, 10))
	case strings.HasSuffix(field, "LeaderEpoch") && i >= 0, field == "FinalizedFeaturesEpoch" && i >= 0:
		return "<epoch>"
	case field == "Port" && i > 0:
		return "<port>"
	case field == "SessionID" && i != 0:
		return "<session>"
	case field == "CoordinatorEpoch" && i >= 0:
		return "<epoch>"
	case (field == "MemberEpoch" || field == "AssignmentEpoch" || field == "GroupEpoch" || field == "Epoch") && i > 0: // how often a group counts on is a broker's own
		return "<epoch>"
	case field == "HeartbeatIntervalMillis" && i > 0: // Weir asks for quicker heartbeats while a group settles
		return "<interval>"
	case (field == "UsableBytes" || field == "TotalBytes") && i > 0:
		return "<bytes>"
	}
	return strconv.FormatInt(i, 10)
}

func (f fields) addBytes(path, field string, v reflect.Value, n *names) {
	b := v.Bytes()
	switch {
	case v.IsNil():
		f[path] = "null"
	case field == "RecordBatches" || field == "Records":
		f.addBatches(path, b, n)
	case utf8.Valid(b) && !strings.ContainsFunc(string(b), func(r rune) bool { return !unicode.IsPrint(r) }):
		f[path] = strconv.Quote(string(b))
	default:
		f[path] = hex.EncodeToString(b)
	}
}

// addBatches takes record batches apart; what does not decode is shown as it is.
func (f fields) addBatches(path string, b []byte, n *names) {
	if len(b) == 0 {
		f[path] = "[]"
	}
	for i := 0; len(b) > 0; i++ {
		at := fmt.Sprintf("%s[#%d]", path, i)
		var batch kmsg.RecordBatch
		end := len(b)
		if len(b) >= 12 {
			end = min(end, 12+int(int32(b[8])<<24|int32(b[9])<<16|int32(b[10])<<8|int32(b[11])))
		}
		if err := batch.ReadFrom(b[:end]); err != nil {
			f[at] = hex.EncodeToString(b)
			return
		}
		records := batch.Records
		batch.Records, batch.CRC = nil, 0 // the checksum covers times
		f.add(at, "", reflect.ValueOf(batch), n)
		delete(f, at+".CRC")
		f[at+".Records"] = hex.EncodeToString(records)
		b = b[end:]
	}
}
