// Package echo implements every operation of every generated service by noting its input and answering with an output in which every member is
// set. It is for recording what real clients send and for showing that they can read what the front answers; it is in no shipped binary.
package echo

import (
	"context"
	"math"
	"reflect"
	"sync"
	"time"

	"weir/awsapi"
	"weir/awsapi/gen/cloudwatch"
	"weir/awsapi/gen/ec2"
	"weir/awsapi/gen/iam"
	"weir/awsapi/gen/kafka"
	"weir/awsapi/gen/kafkaconnect"
	"weir/awsapi/gen/kms"
	"weir/awsapi/gen/logs"
	"weir/awsapi/gen/secretsmanager"
	"weir/awsapi/gen/sts"
)

// Call is one operation as it reached a service.
type Call struct {
	Service, Operation string
	Input              any // pointer to the generated input struct
}

// Recorder keeps the last call. It is safe for concurrent use.
type Recorder struct {
	mu   sync.Mutex
	last *Call
}

// Take returns the last call and forgets it; nil when there was none.
func (r *Recorder) Take() *Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.last
	r.last = nil
	return c
}

func (r *Recorder) put(c *Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = c
}

// Services returns every generated service, with every operation noting its input in r.
func Services(r *Recorder) []awsapi.Service {
	all := []awsapi.Service{
		new(cloudwatch.Service), new(ec2.Service), new(iam.Service), new(kafka.Service), new(kafkaconnect.Service),
		new(kms.Service), new(logs.Service), new(secretsmanager.Service), new(sts.Service),
	}
	for _, s := range all {
		name := s.Model().Name
		v := reflect.ValueOf(s).Elem()
		for i := range v.NumField() {
			op, t := v.Type().Field(i).Name, v.Field(i).Type()
			v.Field(i).Set(reflect.MakeFunc(t, func(args []reflect.Value) []reflect.Value {
				if _, ok := reflect.TypeAssert[context.Context](args[0]); !ok {
					panic("no context")
				}
				r.put(&Call{Service: name, Operation: op, Input: args[1].Interface()})
				out := reflect.New(t.Out(0).Elem())
				Fill(out.Elem(), 0)
				return []reflect.Value{out, reflect.Zero(t.Out(1))}
			}))
		}
	}
	return all
}

// What Fill puts in.
const (
	Text    = `echo "é" & <b> €`
	Integer = 7
	Double  = 1.5
)

// Time is the timestamp that Fill puts in; its milliseconds must survive.
func Time() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC) }

// Blob is the blob that Fill puts in.
func Blob() []byte { return []byte{0, 'b', 0xff} }

const depthMax = 12

// Fill sets every member of v. Structures that contain themselves are cut at some depth.
func Fill(v reflect.Value, depth int) {
	if depth > depthMax {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		Fill(v.Elem(), depth+1)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(Time()))
			return
		}
		for _, field := range v.Fields() {
			Fill(field, depth+1)
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[[]byte]() {
			v.SetBytes(Blob())
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			Fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		Fill(k, depth+1)
		Fill(e, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(k, e)
	case reflect.String:
		if e, ok := reflect.TypeAssert[awsapi.Enum](v); ok {
			v.SetString(e.EnumValues()[0])
			return
		}
		v.SetString(Text)
	case reflect.Int32, reflect.Int64:
		v.SetInt(Integer)
	case reflect.Float64:
		v.SetFloat(Double)
	case reflect.Float32:
		v.SetFloat(float64(float32(math.Pi)))
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("echo: no value for " + v.Type().String())
	}
}
