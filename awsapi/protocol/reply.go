package protocol

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"net/http"
	"reflect"

	"weir/awsapi"
)

// Reply is an answer ready to be sent, but for the request id header. Body is nil when there is none.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

const (
	headerErrorType  = "X-Amzn-Errortype"
	headerQueryError = "X-Amzn-Query-Error"
	headerProtocol   = "Smithy-Protocol"
)

func newReply(status int, contentType string, body []byte) Reply {
	r := Reply{Status: status, Header: http.Header{}, Body: body}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

// contentType of the answers of a protocol.
func contentType(p awsapi.Protocol) string {
	switch p {
	case awsapi.JSON10:
		return "application/x-amz-json-1.0"
	case awsapi.JSON11:
		return "application/x-amz-json-1.1"
	case awsapi.Query, awsapi.EC2Query:
		return "text/xml;charset=UTF-8"
	case awsapi.RPCv2CBOR:
		return "application/cbor"
	default:
		return "application/json"
	}
}

// Output encodes out, a pointer to the operation's generated output struct.
func (c *Codec) Output(p awsapi.Protocol, svc *awsapi.ServiceModel, op *awsapi.OperationModel, requestID string, out any) Reply {
	status := cmp.Or(op.Status, http.StatusOK)
	if status == http.StatusNoContent {
		return newReply(status, "", nil)
	}
	switch p {
	case awsapi.Query, awsapi.EC2Query:
		return newReply(status, contentType(p), c.outputXML(p, svc, op, requestID, out))
	default:
		return newReply(status, contentType(p), c.AppendJSON(nil, out, "unixTimestamp"))
	}
}

func (c *Codec) outputXML(p awsapi.Protocol, svc *awsapi.ServiceModel, op *awsapi.OperationModel, requestID string, out any) []byte {
	v := reflect.ValueOf(out).Elem()
	var b bytes.Buffer
	if p == awsapi.EC2Query {
		b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	}
	b.WriteString("<" + op.Name + `Response xmlns="`)
	escape(&b, svc.XMLNamespace)
	b.WriteString(`">`)
	if p == awsapi.EC2Query {
		element(&b, "requestId", requestID)
		if v.NumField() == 0 {
			element(&b, "return", "true")
		}
		c.appendXML(&b, v)
	} else {
		if op.ResultWrapper != "" {
			open(&b, op.ResultWrapper)
			c.appendXML(&b, v)
			shut(&b, op.ResultWrapper)
		}
		open(&b, "ResponseMetadata")
		element(&b, "RequestId", requestID)
		shut(&b, "ResponseMetadata")
	}
	shut(&b, op.Name+"Response")
	return b.Bytes()
}

// FaultContext is what the form of a fault depends on.
type FaultContext struct {
	Protocol  awsapi.Protocol
	Namespace string // of XML
	RequestID string
	// QueryMode is set when a client of an awsQueryCompatible service asks for the query protocol's codes.
	QueryMode bool
}

// Fault encodes f.
func (c *Codec) Fault(ctx FaultContext, f *awsapi.Fault) Reply {
	var r Reply
	switch ctx.Protocol {
	case awsapi.EC2Query:
		r = newReply(f.HTTPStatus(), contentType(ctx.Protocol), faultEC2(ctx, f))
	case awsapi.Query:
		r = newReply(f.HTTPStatus(), contentType(ctx.Protocol), faultQuery(ctx, f))
	case awsapi.JSON10, awsapi.JSON11:
		body := appendJSONString([]byte(`{"__type":`), cmp.Or(f.Shape, f.Code))
		r = newReply(f.HTTPStatus(), contentType(ctx.Protocol), c.appendDetail(append(body, ','), f))
	case awsapi.RPCv2CBOR:
		r = newReply(f.HTTPStatus(), contentType(ctx.Protocol), faultCBOR(f))
		r.Header.Set(headerProtocol, "rpc-v2-cbor")
	default:
		r = newReply(f.HTTPStatus(), contentType(ctx.Protocol), c.appendDetail([]byte{'{'}, f))
		r.Header.Set(headerErrorType, cmp.Or(f.Shape, f.Code))
	}
	if ctx.QueryMode {
		r.Header.Set(headerQueryError, f.Code+";"+side(f))
	}
	return r
}

// side is who is to blame, in the query protocol's words.
func side(f *awsapi.Fault) string {
	if f.ServerSide() {
		return "Receiver"
	}
	return "Sender"
}

// appendDetail appends the members of the fault and the closing brace to b, an object that has been opened.
func (c *Codec) appendDetail(b []byte, f *awsapi.Fault) []byte {
	if f.Detail == nil {
		b = appendJSONString(append(b, `"message":`...), f.Message)
		return append(b, '}')
	}
	v := reflect.ValueOf(f.Detail).Elem()
	e := jsonEncoder{Codec: c, timeFormat: "unixTimestamp"}
	for _, fl := range c.plan(v.Type()).fields {
		fv, ok := fl.node.present(v.Field(fl.index))
		// In exceptions plain strings are values, and empty ones absent; the message is always said.
		if !ok || !fl.node.ptr && fl.node.kind == kindString && fv.Len() == 0 && fl.name != "Message" {
			continue
		}
		b = appendJSONString(b, fl.wire)
		b = e.value(append(b, ':'), fl.node, fv)
		b = append(b, ',')
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, '}')
}

func faultQuery(ctx FaultContext, f *awsapi.Fault) []byte {
	var b bytes.Buffer
	b.WriteString("<ErrorResponse")
	if ctx.Namespace != "" {
		b.WriteString(` xmlns="`)
		escape(&b, ctx.Namespace)
		b.WriteByte('"')
	}
	b.WriteString("><Error>")
	element(&b, "Type", side(f))
	element(&b, "Code", f.Code)
	element(&b, "Message", f.Message)
	b.WriteString("</Error>")
	element(&b, "RequestId", ctx.RequestID)
	b.WriteString("</ErrorResponse>")
	return b.Bytes()
}

func faultEC2(ctx FaultContext, f *awsapi.Fault) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<Response><Errors><Error>")
	element(&b, "Code", f.Code)
	element(&b, "Message", f.Message)
	b.WriteString("</Error></Errors>")
	element(&b, "RequestID", ctx.RequestID)
	b.WriteString("</Response>")
	return b.Bytes()
}

// faultCBOR is all of rpc-v2-cbor that there is yet: a client that speaks nothing else still reads why it is refused.
func faultCBOR(f *awsapi.Fault) []byte {
	str := func(b []byte, s string) []byte {
		if len(s) > math.MaxUint16 {
			s = s[:math.MaxUint16]
		}
		b = append(b, 0x79) // a text string with a 16-bit length
		b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
		return append(b, s...)
	}
	b := []byte{0xa2} // a map of two
	b = str(str(b, "__type"), cmp.Or(f.Shape, f.Code))
	return str(str(b, "message"), f.Message)
}
