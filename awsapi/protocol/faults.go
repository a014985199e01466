package protocol

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"weir/awsapi"
)

// detailWithParameter is MSK's error body.
type detailWithParameter struct {
	InvalidParameter string `wire:"invalidParameter"`
	Message          string `wire:"message"`
}

// DecodeFault is how a service answers a request that could not be decoded.
func DecodeFault(svc *awsapi.ServiceModel, err error) *awsapi.Fault {
	if u, ok := errors.AsType[*UnknownParameter](err); ok {
		return &awsapi.Fault{Code: "UnknownParameter", Status: http.StatusBadRequest, Message: u.Error()}
	}
	path, reason := "", err.Error()
	if e, ok := errors.AsType[*Error](err); ok {
		path = e.Path
	}
	switch svc.Validation {
	case awsapi.BadRequestWithParameter, awsapi.BadRequest:
		return badRequest(svc, path, "The request could not be read: "+reason+".")
	case awsapi.ValidationError:
		return awsapi.NewFault(http.StatusBadRequest, "MalformedInput", "The request could not be read: %s.", reason)
	case awsapi.MissingOrInvalid:
		return awsapi.NewFault(http.StatusBadRequest, "InvalidParameterValue", "The request could not be read: %s.", reason)
	default:
		return awsapi.NewFault(http.StatusBadRequest, "SerializationException", "The request could not be read: %s.", reason)
	}
}

func badRequest(svc *awsapi.ServiceModel, path, message string) *awsapi.Fault {
	f := &awsapi.Fault{Code: "BadRequestException", Status: http.StatusBadRequest, Message: message}
	if svc.Validation == awsapi.BadRequestWithParameter {
		f.Detail = &detailWithParameter{InvalidParameter: path, Message: message}
	}
	return f
}

// ValidationFault is how a service answers an input that breaks its model's constraints; vs is not empty.
func ValidationFault(svc *awsapi.ServiceModel, vs []Violation) *awsapi.Fault {
	switch svc.Validation {
	case awsapi.BadRequestWithParameter, awsapi.BadRequest:
		return badRequest(svc, vs[0].Path, sentences(vs))
	case awsapi.MissingOrInvalid:
		return missingOrInvalid(svc, vs[0])
	case awsapi.ValidationError:
		return awsapi.NewFault(http.StatusBadRequest, "ValidationError", "%s", detected(vs))
	case awsapi.InvalidParameterException:
		return awsapi.NewFault(http.StatusBadRequest, "InvalidParameterException", "%s", detected(vs))
	default:
		return awsapi.NewFault(http.StatusBadRequest, "ValidationException", "%s", detected(vs))
	}
}

// sentences is for services that have no fixed form: one sentence per violation.
func sentences(vs []Violation) string {
	var out []string
	for _, v := range vs {
		switch {
		case v.Missing:
			out = append(out, "Missing required parameter: "+v.Path+".")
		case v.Secret:
			out = append(out, "The value of parameter "+v.Path+" must "+v.Must+".")
		default:
			out = append(out, "The value '"+v.Value+"' of parameter "+v.Path+" must "+v.Must+".")
		}
	}
	return strings.Join(out, " ")
}

// detected is the form that most AWS services share.
func detected(vs []Violation) string {
	plural := "s"
	if len(vs) == 1 {
		plural = ""
	}
	out := make([]string, len(vs))
	for i, v := range vs {
		value := "Value '" + v.Value + "'"
		switch {
		case v.Missing:
			value = "Value null"
		case v.Secret:
			value = "Value"
		}
		out[i] = fmt.Sprintf("%s at '%s' failed to satisfy constraint: Member must %s", value, smithyPath(v.Path), v.Must)
	}
	return strconv.Itoa(len(vs)) + " validation error" + plural + " detected: " + strings.Join(out, "; ")
}

// missingOrInvalid answers the first violation only, as EC2 and CloudWatch do. Parameters are named as they are sent.
func missingOrInvalid(svc *awsapi.ServiceModel, v Violation) *awsapi.Fault {
	name := v.Path
	if svc.Name == "ec2" {
		name = eachUpper(name)
	}
	f := &awsapi.Fault{Code: "InvalidParameterValue", Status: http.StatusBadRequest}
	if svc.QueryErrors {
		f.Shape = "InvalidParameterValueException"
	}
	switch {
	case v.Missing:
		f.Code = "MissingParameter"
		if svc.QueryErrors {
			f.Shape = "MissingRequiredParameterException"
		}
		f.Message = "The request must contain the parameter " + name
	case v.Secret:
		f.Message = "Value for parameter " + name + " is invalid. It must " + v.Must + "."
	default:
		f.Message = "Value (" + v.Value + ") for parameter " + name + " is invalid. It must " + v.Must + "."
	}
	return f
}

func eachUpper(path string) string {
	parts := strings.Split(path, ".")
	for i, p := range parts {
		r, n := utf8.DecodeRuneInString(p)
		parts[i] = string(unicode.ToUpper(r)) + p[n:]
	}
	return strings.Join(parts, ".")
}

// smithyPath writes Tags.1.Key as tags.1.member.key.
func smithyPath(path string) string {
	parts := strings.Split(path, ".")
	for i, p := range parts {
		if _, err := strconv.Atoi(p); err == nil {
			parts[i] = p + ".member"
			continue
		}
		r, n := utf8.DecodeRuneInString(p)
		parts[i] = string(unicode.ToLower(r)) + p[n:]
	}
	return strings.Join(parts, ".")
}
