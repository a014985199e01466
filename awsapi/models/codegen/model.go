package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// The part of a service-2.json file that is used. The files are botocore's, see ../LICENSE-NOTE.md.

type model struct {
	Metadata   metadata              `json:"metadata"`
	Operations map[string]*operation `json:"operations"`
	Shapes     map[string]*shape     `json:"shapes"`
}

type metadata struct {
	APIVersion       string          `json:"apiVersion"`
	EndpointPrefix   string          `json:"endpointPrefix"`
	FullName         string          `json:"serviceFullName"`
	GlobalEndpoint   string          `json:"globalEndpoint"`
	JSONVersion      string          `json:"jsonVersion"`
	Protocol         string          `json:"protocol"`
	Protocols        []string        `json:"protocols"`
	QueryCompatible  json.RawMessage `json:"awsQueryCompatible"`
	SignatureVersion string          `json:"signatureVersion"`
	SigningName      string          `json:"signingName"`
	TargetPrefix     string          `json:"targetPrefix"`
	XMLNamespace     string          `json:"xmlNamespace"`
}

type operation struct {
	Name string `json:"name"`
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input  *ref `json:"input"`
	Output *ref `json:"output"`
}

type ref struct {
	Shape            string `json:"shape"`
	LocationName     string `json:"locationName"`
	Location         string `json:"location"`
	ResultWrapper    string `json:"resultWrapper"`
	TimestampFormat  string `json:"timestampFormat"`
	QueryName        string `json:"queryName"`
	IdempotencyToken bool   `json:"idempotencyToken"`
	Flattened        bool   `json:"flattened"`
	Streaming        bool   `json:"streaming"`
}

type shape struct {
	Type            string          `json:"type"`
	Members         orderedMembers  `json:"members"`
	Required        []string        `json:"required"`
	Member          *ref            `json:"member"`
	Key             *ref            `json:"key"`
	Value           *ref            `json:"value"`
	Enum            []string        `json:"enum"`
	Min             *json.Number    `json:"min"`
	Max             *json.Number    `json:"max"`
	Pattern         string          `json:"pattern"`
	TimestampFormat string          `json:"timestampFormat"`
	Payload         string          `json:"payload"`
	Flattened       bool            `json:"flattened"`
	Sensitive       bool            `json:"sensitive"`
	Exception       bool            `json:"exception"`
	IsFault         bool            `json:"fault"`
	EventStream     bool            `json:"eventstream"`
	LocationName    string          `json:"locationName"`
	Error           *exceptionError `json:"error"`
}

type exceptionError struct {
	Code           string `json:"code"`
	HTTPStatusCode int    `json:"httpStatusCode"`
}

// orderedMembers keeps the members of a structure in the model's order, which is the order of fields in Go and of elements in XML.
type orderedMembers []member

type member struct {
	Name string
	ref
}

func (m *orderedMembers) UnmarshalJSON(b []byte) error {
	var byName map[string]ref
	if err := json.Unmarshal(b, &byName); err != nil {
		return err
	}
	d := json.NewDecoder(newReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return err
		}
		key, ok := name.(string)
		if !ok {
			return fmt.Errorf("members: key %v", name)
		}
		*m = append(*m, member{Name: key, ref: byName[key]})
	}
	return nil
}

// readModel reads the one service-2*.json file in dir.
func readModel(dir string) (*model, error) {
	files, err := filepath.Glob(filepath.Join(dir, "service-2*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("%s: %d model files, want 1", dir, len(files))
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		return nil, err
	}
	m := new(model)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%s: %w", files[0], err)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", files[0], err)
	}
	return m, nil
}

// check refuses what the generator would otherwise get wrong in silence.
func (m *model) check() error {
	refs := func(where string, rs ...*ref) error {
		for _, r := range rs {
			if r == nil {
				continue
			}
			if m.Shapes[r.Shape] == nil {
				return fmt.Errorf("%s: unknown shape %s", where, r.Shape)
			}
			if r.Flattened || r.QueryName != "" || r.Streaming {
				return fmt.Errorf("%s: flattened, queryName and streaming members are not generated yet", where)
			}
		}
		return nil
	}
	for name, s := range m.Shapes {
		if s.Payload != "" || s.Flattened {
			return fmt.Errorf("shape %s: payload and flattened shapes are not generated yet", name)
		}
		if err := refs(name, s.Member, s.Key, s.Value); err != nil {
			return err
		}
		for _, mm := range s.Members {
			if err := refs(name+"."+mm.Name, &mm.ref); err != nil {
				return err
			}
			if !slices.Contains([]string{"", "uri", "querystring"}, mm.Location) {
				return fmt.Errorf("%s.%s: location %s is not generated yet", name, mm.Name, mm.Location)
			}
		}
	}
	for name, op := range m.Operations {
		if err := refs(name, op.Input, op.Output); err != nil {
			return err
		}
	}
	return nil
}
