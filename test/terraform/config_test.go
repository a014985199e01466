package terraform

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// An object is a resource's, or a block's, attributes by name: strings, numbers (float64), booleans, lists ([]any), and blocks as lists of objects.
type object = map[string]any

// A declaration is a resource or data block of a configuration.
type declaration struct {
	data       bool
	kind, name string
	body       *hclsyntax.Body
	needs      []string // addresses of other declarations
}

func (d declaration) address() string {
	if d.data {
		return "data." + d.kind + "." + d.name
	}
	return d.kind + "." + d.name
}

// A configuration is what the files of a folder declare, each declaration after those that it refers to.
type configuration struct {
	declarations []declaration
	variables    map[string]cty.Value
	outputs      map[string]hclsyntax.Expression
}

// loadFolder reads all *.tf of a folder.
func loadFolder(dir string, variables object) (*configuration, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no *.tf", dir)
	}
	sources := map[string][]byte{}
	for _, f := range files {
		if sources[f], err = os.ReadFile(f); err != nil {
			return nil, err
		}
	}
	return load(sources, variables)
}

// load reads files by name. Variables without a default must be given.
func load(sources map[string][]byte, given object) (*configuration, error) {
	c := &configuration{variables: map[string]cty.Value{}, outputs: map[string]hclsyntax.Expression{}}
	parser := hclparse.NewParser()
	for name, text := range sources {
		file, diags := parser.ParseHCL(text, name)
		if diags.HasErrors() {
			return nil, diags
		}
		body, ok := file.Body.(*hclsyntax.Body)
		if !ok {
			return nil, fmt.Errorf("%s: not in the native syntax", name)
		}
		if len(body.Attributes) > 0 {
			return nil, fmt.Errorf("%s: attributes outside of blocks", name)
		}
		for _, b := range body.Blocks {
			if err := c.add(b, given); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, b.TypeRange.Start.Line, err)
			}
		}
	}
	return c, c.sort()
}

func (c *configuration) add(b *hclsyntax.Block, given object) error {
	labels := map[string]int{"terraform": 0, "provider": 1, "variable": 1, "output": 1, "resource": 2, "data": 2}
	if n, ok := labels[b.Type]; !ok || len(b.Labels) != n {
		return fmt.Errorf("%s with %d labels: not known here", b.Type, len(b.Labels))
	}
	switch b.Type {
	case "variable":
		name := b.Labels[0]
		if v, ok := given[name]; ok {
			c.variables[name] = toCty(v)
			return nil
		}
		fallback, ok := b.Body.Attributes["default"]
		if !ok {
			return fmt.Errorf("variable %s is not given", name)
		}
		v, diags := fallback.Expr.Value(nil)
		if diags.HasErrors() {
			return diags
		}
		c.variables[name] = v
	case "output":
		value, ok := b.Body.Attributes["value"]
		if !ok {
			return fmt.Errorf("output %s has no value", b.Labels[0])
		}
		c.outputs[b.Labels[0]] = value.Expr
	case "resource", "data":
		d := declaration{data: b.Type == "data", kind: b.Labels[0], name: b.Labels[1], body: b.Body}
		diags := hclsyntax.VisitAll(b.Body, func(n hclsyntax.Node) hcl.Diagnostics {
			if t, ok := n.(*hclsyntax.ScopeTraversalExpr); ok {
				if address := target(t.Traversal); address != "" && !slices.Contains(d.needs, address) {
					d.needs = append(d.needs, address)
				}
			}
			return nil
		})
		if diags.HasErrors() {
			return diags
		}
		c.declarations = append(c.declarations, d)
	}
	return nil
}

// target is the address of the declaration that a reference names; "" is for variables and the like.
func target(t hcl.Traversal) string {
	step := func(i int) string {
		if i >= len(t) {
			return ""
		}
		a, ok := t[i].(hcl.TraverseAttr)
		if !ok {
			return ""
		}
		return a.Name
	}
	switch root := t.RootName(); root {
	case "var", "count", "local":
		return ""
	case "data":
		return "data." + step(1) + "." + step(2)
	default:
		return root + "." + step(1)
	}
}

// sort brings declarations into the order in which they are made.
func (c *configuration) sort() error {
	slices.SortFunc(c.declarations, func(a, b declaration) int {
		if a.address() < b.address() {
			return -1
		}
		return 1
	})
	var sorted []declaration
	done := map[string]bool{}
	for len(sorted) < len(c.declarations) {
		before := len(sorted)
		for _, d := range c.declarations {
			if !done[d.address()] && !slices.ContainsFunc(d.needs, func(a string) bool { return !done[a] }) {
				sorted = append(sorted, d)
				done[d.address()] = true
			}
		}
		if len(sorted) == before {
			return fmt.Errorf("declarations refer to each other in a circle, or to what is not there; %d are in order", before)
		}
	}
	c.declarations = sorted
	return nil
}

// scope is what expressions see.
func (c *configuration) scope(resources map[string]map[string]cty.Value, data map[string]map[string]cty.Value) *hcl.EvalContext {
	ctx := &hcl.EvalContext{
		Variables: map[string]cty.Value{"var": cty.ObjectVal(c.variables)},
		Functions: map[string]function.Function{"jsonencode": stdlib.JSONEncodeFunc, "cidrsubnet": cidrSubnet(), "join": stdlib.JoinFunc},
	}
	for kind, byName := range resources {
		ctx.Variables[kind] = cty.ObjectVal(byName)
	}
	kinds := map[string]cty.Value{}
	for kind, byName := range data {
		kinds[kind] = cty.ObjectVal(byName)
	}
	ctx.Variables["data"] = cty.ObjectVal(kinds)
	return ctx
}

// evaluate gives a block's content its values.
func evaluate(body *hclsyntax.Body, ctx *hcl.EvalContext) (object, error) {
	out := object{}
	for name, a := range body.Attributes {
		if name == "count" || name == "depends_on" {
			continue
		}
		v, diags := a.Expr.Value(ctx)
		if diags.HasErrors() {
			return nil, diags
		}
		if v.IsNull() {
			continue
		}
		value, err := fromCty(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = value
	}
	for _, b := range body.Blocks {
		inner, err := evaluate(b.Body, ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Type, err)
		}
		list, _ := out[b.Type].([]any)
		out[b.Type] = append(list, inner)
	}
	return out, nil
}

func toCty(v any) cty.Value {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // made of maps, lists and scalars
	}
	kind, err := ctyjson.ImpliedType(text)
	if err != nil {
		panic(err)
	}
	out, err := ctyjson.Unmarshal(text, kind)
	if err != nil {
		panic(err)
	}
	return out
}

func fromCty(v cty.Value) (any, error) {
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return nil, err
	}
	var out any
	return out, json.Unmarshal(text, &out)
}

// cidrSubnet is Terraform's function for IPv4: the nth block of a prefix that is longer by some bits.
func cidrSubnet() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "bits", Type: cty.Number}, {Name: "number", Type: cty.Number}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			prefix, err := netip.ParsePrefix(args[0].AsString())
			if err != nil || !prefix.Addr().Is4() {
				return cty.NilVal, fmt.Errorf("cidrsubnet: %s is no IPv4 block", args[0].AsString())
			}
			more, _ := args[1].AsBigFloat().Int64()
			n, _ := args[2].AsBigFloat().Int64()
			bits := prefix.Bits() + int(more)
			if bits > 32 || n >= 1<<more {
				return cty.NilVal, fmt.Errorf("cidrsubnet: no block %d of %d more bits in %s", n, more, prefix)
			}
			a := prefix.Addr().As4()
			v := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
			v += uint32(n) << (32 - bits)
			addr := netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
			return cty.StringVal(netip.PrefixFrom(addr, bits).String()), nil
		},
	})
}
