package front_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"weir/awsapi/front"
	"weir/awsapi/front/internal/echo"
	gen "weir/awsapi/gen/kafka"
	gensecrets "weir/awsapi/gen/secretsmanager"
	gensts "weir/awsapi/gen/sts"
)

// sdkConfig points an aws-sdk-go-v2 client at h.
func sdkConfig(t *testing.T, h http.Handler) aws.Config {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	root := echo.Root()
	return aws.Config{
		Region: echo.Region, BaseEndpoint: &s.URL, RetryMaxAttempts: 1, HTTPClient: s.Client(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey.Reveal()}, nil
		}),
	}
}

// TestGoSDKRoundTripsEveryOperation sets every member of every input in the SDK's structs and compares what reaches the service; then compares
// what the SDK read from our answers with what the service returned. Members that the SDK's version does not know are not compared.
func TestGoSDKRoundTripsEveryOperation(t *testing.T) {
	rec := new(echo.Recorder)
	f := newFront(t, rec, time.Now())
	cfg := sdkConfig(t, f)
	for _, s := range []struct {
		client  any
		service any
		// Deprecated or not signed: the SDK sends no signature, or nothing at all.
		skip []string
	}{
		{kafka.NewFromConfig(cfg), new(gen.Service), nil},
		{sts.NewFromConfig(cfg), new(gensts.Service), []string{"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}},
		{secretsmanager.NewFromConfig(cfg), new(gensecrets.Service), nil},
	} {
		st := reflect.TypeOf(s.service).Elem()
		for op := range st.Fields() {
			method := reflect.ValueOf(s.client).MethodByName(op.Name)
			if !method.IsValid() || slices.Contains(s.skip, op.Name) {
				t.Logf("%s %s is not compared", st.PkgPath(), op.Name)
				continue
			}
			t.Run(st.PkgPath()[len("weir/awsapi/gen/"):]+"/"+op.Name, func(t *testing.T) {
				ours := reflect.New(op.Type.In(1).Elem())
				fillValid(ours.Elem(), "", "is", "")
				theirs := reflect.New(method.Type().In(1).Elem())
				copyMembers(theirs.Elem(), ours.Elem())
				res := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), theirs})
				if err, _ := reflect.TypeAssert[error](res[1]); err != nil {
					t.Fatal(err)
				}
				call := rec.Take()
				if call == nil || call.Operation != op.Name {
					t.Fatalf("reached %+v", call)
				}
				sameMembers(t, op.Name+"Input", theirs.Elem(), reflect.ValueOf(call.Input).Elem())
				want := reflect.New(op.Type.Out(0).Elem())
				echo.Fill(want.Elem(), 0)
				sameMembers(t, op.Name+"Output", res[0].Elem(), want.Elem())
			})
		}
	}
}

// fillValid sets every member of v to a value that the words of its tag allow.
func fillValid(v reflect.Value, tag reflect.StructTag, key, prefix string) {
	least, most := 0, 6
	for word := range strings.SplitSeq(tag.Get(key), " ") {
		if n, ok := strings.CutPrefix(word, "min="); ok {
			least, _ = strconv.Atoi(n)
		}
		if n, ok := strings.CutPrefix(word, "max="); ok {
			n, _ := strconv.Atoi(n)
			most = min(most, n)
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillValid(v.Elem(), tag, key, prefix)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(echo.Time()))
			return
		}
		for i := range v.NumField() {
			fillValid(v.Field(i), v.Type().Field(i).Tag, "is", "")
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[[]byte]() {
			v.SetBytes(echo.Blob())
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), max(least, 1), max(least, 1)))
		for i := range v.Len() {
			fillValid(v.Index(i), tag, prefix+"each", prefix+"each.")
		}
	case reflect.Map:
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fillValid(k, tag, prefix+"key", prefix+"key.")
		fillValid(e, tag, prefix+"each", prefix+"each.")
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(k, e)
	case reflect.String:
		if e, ok := reflect.TypeAssert[interface{ EnumValues() []string }](v); ok {
			v.SetString(e.EnumValues()[0])
			return
		}
		if strings.HasSuffix(tag.Get(key), `pattern=^([a-z]+-)+\d+$`) {
			v.SetString("us-east-1")
			return
		}
		v.SetString(strings.Repeat("7", max(least, most))) // digits satisfy every other pattern of these services
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(max(least, 1)))
	case reflect.Float64:
		v.SetFloat(2)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("no value for " + v.Type().String())
	}
}

// copyMembers sets dst, of the SDK, from src, ours. The two differ in which scalars are pointers.
func copyMembers(dst, src reflect.Value) {
	switch {
	case src.Kind() == reflect.Pointer:
		copyMembers(dst, src.Elem())
	case dst.Kind() == reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		copyMembers(dst.Elem(), src)
	case dst.Type() == reflect.TypeFor[time.Time]():
		dst.Set(src)
	case dst.Kind() == reflect.Struct:
		for i := range dst.NumField() {
			if f := src.FieldByName(dst.Type().Field(i).Name); f.IsValid() {
				copyMembers(dst.Field(i), f)
			}
		}
	case dst.Kind() == reflect.Slice:
		dst.Set(reflect.MakeSlice(dst.Type(), src.Len(), src.Len()))
		for i := range src.Len() {
			copyMembers(dst.Index(i), src.Index(i))
		}
	case dst.Kind() == reflect.Map:
		dst.Set(reflect.MakeMap(dst.Type()))
		for _, k := range src.MapKeys() {
			e := reflect.New(dst.Type().Elem()).Elem()
			copyMembers(e, src.MapIndex(k))
			dst.SetMapIndex(k.Convert(dst.Type().Key()), e)
		}
	default:
		dst.Set(src.Convert(dst.Type()))
	}
}

// sameMembers compares what both sides know.
func sameMembers(t *testing.T, path string, theirs, ours reflect.Value) {
	t.Helper()
	for theirs.Kind() == reflect.Pointer && !theirs.IsNil() {
		theirs = theirs.Elem()
	}
	for ours.Kind() == reflect.Pointer && !ours.IsNil() {
		ours = ours.Elem()
	}
	switch {
	case theirs.Type() == reflect.TypeFor[time.Time]():
		a, _ := reflect.TypeAssert[time.Time](theirs)
		if b, ok := reflect.TypeAssert[time.Time](ours); !ok || !a.Equal(b) {
			t.Errorf("%s: %v there, %v here", path, theirs, ours)
		}
	case theirs.Kind() != ours.Kind():
		t.Errorf("%s: %v there, %v here", path, theirs, ours)
	case theirs.Kind() == reflect.Struct:
		for i := range theirs.NumField() {
			name := theirs.Type().Field(i).Name
			if f := ours.FieldByName(name); f.IsValid() {
				sameMembers(t, path+"."+name, theirs.Field(i), f)
			}
		}
	case theirs.Type() == reflect.TypeFor[[]byte]():
		if !bytes.Equal(theirs.Bytes(), ours.Bytes()) {
			t.Errorf("%s: %q there, %q here", path, theirs.Bytes(), ours.Bytes())
		}
	case theirs.Kind() == reflect.Slice:
		if theirs.Len() != ours.Len() {
			t.Errorf("%s: %d elements there, %d here", path, theirs.Len(), ours.Len())
			return
		}
		for i := range theirs.Len() {
			sameMembers(t, path+"."+strconv.Itoa(i), theirs.Index(i), ours.Index(i))
		}
	case theirs.Kind() == reflect.Map:
		for _, k := range theirs.MapKeys() {
			o := ours.MapIndex(k.Convert(ours.Type().Key()))
			if !o.IsValid() || theirs.Len() != ours.Len() {
				t.Errorf("%s: %v there, %v here", path, theirs, ours)
				return
			}
			sameMembers(t, path+"."+k.String(), theirs.MapIndex(k), o)
		}
	default:
		if fmt.Sprint(theirs) != fmt.Sprint(ours) {
			t.Errorf("%s: %v there, %v here", path, theirs, ours)
		}
	}
}

var _ http.Handler = (*front.Front)(nil)
