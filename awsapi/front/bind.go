package front

import (
	"context"
	"fmt"
	"net/http"
	"reflect"

	"weir/awsapi"
)

// service is a generated Service struct, made callable.
type service struct {
	model      *awsapi.ServiceModel
	operations map[string]*operation
	routes     []*route // of a rest protocol
}

// operation is one func field of it.
type operation struct {
	model  awsapi.OperationModel
	input  reflect.Type // the struct, not the pointer
	f      reflect.Value
	notYet *awsapi.Fault // when the field is nil
}

// input is a pointer to a generated input struct.
type input struct{ reflect.Value }

// bind matches a service's func fields with its model. An error means that the two were not generated together.
func bind(s awsapi.Service) (*service, error) {
	v := reflect.ValueOf(s)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("%T is not a pointer to a generated Service", s)
	}
	m := s.Model()
	out := &service{model: m, operations: make(map[string]*operation, len(m.Operations))}
	for _, om := range m.Operations {
		f := v.Elem().FieldByName(om.Name)
		if !f.IsValid() || f.Kind() != reflect.Func || f.Type().NumIn() != 2 || f.Type().NumOut() != 2 {
			return nil, fmt.Errorf("%s.%s is not a func field of the generated Service", m.Name, om.Name)
		}
		op := &operation{model: om, input: f.Type().In(1).Elem(), f: f}
		if f.IsNil() {
			op.notYet = &awsapi.Fault{
				Code: "NotImplemented", Status: http.StatusNotImplemented,
				Message: fmt.Sprintf("The operation %s of %s (%s) is not implemented.", om.Name, m.Name, m.Title),
			}
		}
		out.operations[om.Name] = op
		if len(m.Protocols) > 0 && m.Protocols[0] == awsapi.RestJSON1 {
			out.routes = append(out.routes, newRoute(op))
		}
	}
	return out, nil
}

// call runs the operation, which is built, with a decoded input.
func (o *operation) call(ctx context.Context, in input) (any, error) {
	res := o.f.Call([]reflect.Value{reflect.ValueOf(ctx), in.Value})
	if err, ok := reflect.TypeAssert[error](res[1]); ok && err != nil {
		return nil, err
	}
	if res[0].IsNil() {
		return nil, fmt.Errorf("%s returned neither an output nor an error", o.model.Name)
	}
	return res[0].Interface(), nil
}
