package front

import (
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"weir/awsapi"
	"weir/awsapi/protocol"
)

const formType = "application/x-www-form-urlencoded"

// guessProtocol is for requests whose service is not known: the form in which a client can most likely read a refusal.
func guessProtocol(r *http.Request) awsapi.Protocol {
	switch {
	case isCBOR(r):
		return awsapi.RPCv2CBOR
	case r.Header.Get("X-Amz-Target") != "":
		if mediaType(r) == "application/x-amz-json-1.0" {
			return awsapi.JSON10
		}
		return awsapi.JSON11
	case mediaType(r) == formType, r.URL.Query().Has("Action"):
		return awsapi.Query
	}
	return awsapi.RestJSON1
}

// pickProtocol chooses among the protocols of a service: the client's if the service speaks it, else the service's own.
func pickProtocol(m *awsapi.ServiceModel, r *http.Request) awsapi.Protocol {
	speaks := func(p awsapi.Protocol) bool { return slices.Contains(m.Protocols, p) }
	guess := guessProtocol(r)
	switch guess {
	case awsapi.JSON10, awsapi.JSON11: // the content type may be off; there is only one of the two
		for _, p := range []awsapi.Protocol{awsapi.JSON10, awsapi.JSON11} {
			if speaks(p) {
				return p
			}
		}
	case awsapi.Query:
		if speaks(awsapi.EC2Query) {
			return awsapi.EC2Query
		}
	default:
	}
	if speaks(guess) {
		return guess
	}
	for _, p := range []awsapi.Protocol{awsapi.RestJSON1, awsapi.JSON10, awsapi.JSON11, awsapi.EC2Query, awsapi.Query} {
		if speaks(p) {
			return p
		}
	}
	return guess
}

func isCBOR(r *http.Request) bool { return r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" }

func mediaType(r *http.Request) string {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

// input finds the operation and decodes its input.
func (f *Front) input(c *call) (input, error) {
	switch c.proto {
	case awsapi.RPCv2CBOR:
		return input{}, awsapi.NewFault(http.StatusNotImplemented, "UnsupportedProtocol",
			"%s is not served over rpc-v2-cbor yet; it is over awsJson1.0 and the query protocol.", c.service.model.Title)
	case awsapi.JSON10, awsapi.JSON11:
		return f.jsonInput(c)
	case awsapi.Query, awsapi.EC2Query:
		return f.queryInput(c)
	default:
		return f.restInput(c)
	}
}

// newInput makes the input to decode into. An operation that is not built says so before anything else is found wrong with the request.
func (c *call) newInput(op *operation) (input, error) {
	c.op = op
	if op.notYet != nil {
		return input{}, op.notYet
	}
	return input{reflect.New(op.input)}, nil
}

func (f *Front) jsonInput(c *call) (input, error) {
	m := c.service.model
	target := c.r.Header.Get("X-Amz-Target")
	prefix, name, _ := strings.Cut(target, ".")
	op := c.service.operations[name]
	if op == nil || prefix != m.TargetPrefix || c.r.Method != http.MethodPost || rawPath(c.r) != "/" {
		return input{}, awsapi.NewFault(http.StatusBadRequest, "UnknownOperationException",
			"The operation '%s' is not one that is served for %s: a POST to / with X-Amz-Target %s.<operation> is expected.",
			short(target), m.Title, m.TargetPrefix)
	}
	in, err := c.newInput(op)
	if err != nil {
		return input{}, err
	}
	body, err := unpack(c.r, c.body, f.cfg.BodyBytesMax)
	if err != nil {
		return input{}, err
	}
	if err := f.codec.DecodeJSON(body, in.Interface()); err != nil {
		// Before any rule of the service, a JSON protocol refuses what is not its JSON.
		return input{}, awsapi.NewFault(http.StatusBadRequest, "SerializationException", "The request could not be read: %v.", err)
	}
	return in, nil
}

func (f *Front) queryInput(c *call) (input, error) {
	m := c.service.model
	if (c.r.Method != http.MethodPost && c.r.Method != http.MethodGet) || rawPath(c.r) != "/" {
		return input{}, awsapi.NewFault(http.StatusBadRequest, "InvalidAction", "The only requests served for %s are GET and POST of /.", m.Title)
	}
	params, err := f.queryParams(c)
	if err != nil {
		return input{}, err
	}
	action, version := params.Get("Action"), params.Get("Version")
	switch {
	case action == "":
		return input{}, awsapi.NewFault(http.StatusBadRequest, "MissingAction", "The request must contain the parameter Action.")
	case len(params["Action"]) > 1 || len(params["Version"]) > 1:
		return input{}, awsapi.NewFault(http.StatusBadRequest, "MalformedQueryString", "Action and Version may be given once.")
	}
	op := c.service.operations[action]
	if op == nil || version != "" && version != m.APIVersion {
		if c.proto == awsapi.EC2Query {
			return input{}, awsapi.NewFault(http.StatusBadRequest, "InvalidAction",
				"The action %s is not valid for this web service (version %s).", short(action), m.APIVersion)
		}
		return input{}, awsapi.NewFault(http.StatusBadRequest, "InvalidAction", "Could not find operation %s for version %s", short(action), short(version))
	}
	in, err := c.newInput(op)
	if err != nil {
		return input{}, err
	}
	if err := f.codec.DecodeQuery(params, c.proto == awsapi.EC2Query, in.Interface()); err != nil {
		return input{}, protocol.DecodeFault(m, err)
	}
	return in, nil
}

// queryParams are the form's or, in a GET, the query string's; never both, so that none can shadow another.
func (f *Front) queryParams(c *call) (url.Values, error) {
	raw := c.r.URL.RawQuery
	if c.r.Method == http.MethodPost {
		body, err := unpack(c.r, c.body, f.cfg.BodyBytesMax)
		if err != nil {
			return nil, err
		}
		if len(body) > 0 && mediaType(c.r) != formType {
			return nil, awsapi.NewFault(http.StatusUnsupportedMediaType, "InvalidContentType", "The content type %s is expected.", formType)
		}
		if len(body) > 0 || raw == "" {
			for part := range strings.SplitSeq(raw, "&") {
				if part != "" && !strings.HasPrefix(part, "X-Amz-") {
					return nil, awsapi.NewFault(http.StatusBadRequest, "MalformedQueryString",
						"Parameters are expected in the body or in the query string, not in both.")
				}
			}
			raw = string(body)
		}
	}
	params, err := url.ParseQuery(raw)
	if err != nil {
		return nil, awsapi.NewFault(http.StatusBadRequest, "MalformedQueryString", "The parameters are malformed: %v.", err)
	}
	return params, nil
}

func (f *Front) restInput(c *call) (input, error) {
	m := c.service.model
	path := rawPath(c.r)
	op, labels, known := c.service.findRoute(c.r.Method, path)
	if op == nil {
		what := "path"
		if known {
			what = "method on this path"
		}
		return input{}, awsapi.NewFault(http.StatusNotFound, "UnknownOperationException",
			"%s %s is not an operation of %s: the %s is not known.", short(c.r.Method), short(path), m.Title, what)
	}
	in, err := c.newInput(op)
	if err != nil {
		return input{}, err
	}
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return input{}, awsapi.NewFault(http.StatusBadRequest, "BadRequestException", "The query string is malformed: %v.", err)
	}
	body, err := unpack(c.r, c.body, f.cfg.BodyBytesMax)
	if err != nil {
		return input{}, err
	}
	if err := f.codec.DecodeJSON(body, in.Interface()); err != nil {
		return input{}, protocol.DecodeFault(m, err)
	}
	if err := f.codec.DecodePath(labels, query, in.Interface()); err != nil {
		return input{}, protocol.DecodeFault(m, err)
	}
	return in, nil
}

// short keeps long input out of messages.
func short(s string) string {
	const limit = 200
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}
