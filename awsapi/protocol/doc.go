// Package protocol decodes requests into the generated input structs, validates them, and encodes outputs and faults, for the AWS protocols
// restJson1, awsJson1.0, awsJson1.1, query and ec2query.
//
// One Codec serves all services. It works by reflection over the generated structs' tags and keeps what it learned of a type, built when the
// type is first used, so that a process pays at start for nothing:
//
//	wire:"clusterName"   name in JSON and XML, URI template or query string; absent: the field's own name
//	in:"uri" | "query"   where a restJson1 member travels; absent: the body
//	is:"..."             words on the member: required, token (filled by SDKs), sensitive, time=FORMAT, min=N, max=N (length of strings, blobs,
//	                     lists and maps; value of numbers), item=NAME (element name of a list), and last pattern=REGEXP
//	each:"..." key:"..." the same words on what is inside a list or map; deeper levels are each.each, each.key ...
//
// A nil pointer, slice or map is an absent member and is never written; an empty list and an empty string are written. An enumeration is a
// string type whose empty value means absent.
//
// Decoding is strict where a client would otherwise believe something untrue: malformed JSON, anything behind the value, wrong types, numbers
// out of range, repeated members and deep nesting are refused with a text that names the member. Members that the model does not know are
// ignored, as the AWS protocols want.
package protocol
