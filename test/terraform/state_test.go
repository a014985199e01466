package terraform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"weir/test/cluster"
)

// A resource is one kind of the provider's.
type resource struct {
	schema schema
	create func(ctx context.Context, p *provider, config object) (id string, err error)
	// read gives the state, and nil for what is gone. prior is the state so far: nil at an import.
	read   func(ctx context.Context, p *provider, id string, prior object) (object, error)
	update func(ctx context.Context, p *provider, id string, config, state object, differences []difference) error
	remove func(ctx context.Context, p *provider, id string, state object) error // nil is nothing to do
}

// An instance is a resource that was made.
type instance struct {
	address string
	kind    string
	id      string
	config  object
	state   object
}

// A workspace is Terraform's state, and what changes it.
type workspace struct {
	t         *testing.T
	p         *provider
	kinds     map[string]resource
	instances []*instance // in the order in which they were made
	out       io.Writer   // how long things took
}

func newWorkspace(t *testing.T, w *cluster.Weir) *workspace {
	return &workspace{t: t, p: newProvider(w), kinds: resources(), out: t.Output()}
}

func (w *workspace) find(address string) *instance {
	for _, i := range w.instances {
		if i.address == address {
			return i
		}
	}
	return nil
}

// apply makes everything as configured, then looks whether a plan is empty and whether every resource can be imported.
func (w *workspace) apply(ctx context.Context, c *configuration) {
	w.t.Helper()
	wanted, err := w.each(ctx, c, w.ensure)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, i := range slices.Backward(slices.Clone(w.instances)) {
		if !slices.Contains(wanted, i.address) {
			w.remove(ctx, i)
		}
	}
	w.checkPlan(ctx, c)
	w.checkImport(ctx)
}

// each evaluates the configuration in its order and calls do for each resource, whose state the ones after it see.
func (w *workspace) each(ctx context.Context, c *configuration, do func(ctx context.Context, address, kind string, config object) (object, error)) ([]string, error) {
	resources, data := map[string]map[string]cty.Value{}, map[string]map[string]cty.Value{}
	var addresses []string
	for _, d := range c.declarations {
		if d.data {
			config, err := evaluate(d.body, c.scope(resources, data))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", d.address(), err)
			}
			v, err := w.p.lookup(ctx, d.kind, config)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", d.address(), err)
			}
			put(data, d, toCty(plain(v)))
			continue
		}
		var values []cty.Value
		count, counted := d.body.Attributes["count"]
		n := 1
		if counted {
			v, diags := count.Expr.Value(c.scope(resources, data))
			if diags.HasErrors() {
				return nil, diags
			}
			many, _ := v.AsBigFloat().Int64()
			n = int(many)
		}
		for i := range n {
			scope, address := c.scope(resources, data), d.address()
			if counted {
				address = fmt.Sprintf("%s[%d]", address, i)
				scope.Variables["count"] = cty.ObjectVal(map[string]cty.Value{"index": cty.NumberIntVal(int64(i))})
			}
			config, err := evaluate(d.body, scope)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", address, err)
			}
			state, err := do(ctx, address, d.kind, config)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", address, err)
			}
			values = append(values, toCty(state))
			addresses = append(addresses, address)
		}
		if counted {
			put(resources, d, cty.TupleVal(values))
		} else {
			put(resources, d, values[0])
		}
	}
	for name, expr := range c.outputs {
		if _, diags := expr.Value(c.scope(resources, data)); diags.HasErrors() {
			return nil, fmt.Errorf("output %s: %w", name, diags)
		}
	}
	return addresses, nil
}

func put(m map[string]map[string]cty.Value, d declaration, v cty.Value) {
	if m[d.kind] == nil {
		m[d.kind] = map[string]cty.Value{}
	}
	m[d.kind][d.name] = v
}

// ensure makes or changes one resource.
func (w *workspace) ensure(ctx context.Context, address, kind string, config object) (object, error) {
	r, ok := w.kinds[kind]
	if !ok {
		return nil, errors.New("no such resource is known here")
	}
	i, begin := w.find(address), time.Now()
	if i == nil {
		id, err := r.create(ctx, w.p, config)
		if err != nil {
			return nil, fmt.Errorf("create: %w", err)
		}
		i = &instance{address: address, kind: kind, id: id}
		w.instances = append(w.instances, i)
		fmt.Fprintf(w.out, "%-50s created in %v\n", address, time.Since(begin).Round(time.Millisecond))
	} else {
		if err := w.refresh(ctx, i); err != nil {
			return nil, err
		}
		if differences := r.schema.diff(config, i.state); len(differences) > 0 {
			if under(differences, r.schema.replace...) {
				return nil, fmt.Errorf("it would be made anew because of %v", differences)
			}
			if err := r.update(ctx, w.p, i.id, config, i.state, differences); err != nil {
				return nil, fmt.Errorf("update (%v): %w", differences, err)
			}
			fmt.Fprintf(w.out, "%-50s updated in %v: %v\n", address, time.Since(begin).Round(time.Millisecond), differences)
		}
	}
	i.config = config
	if err := w.refresh(ctx, i); err != nil {
		return nil, err
	}
	return i.state, nil
}

// refresh reads a resource, which must be there.
func (w *workspace) refresh(ctx context.Context, i *instance) error {
	prior := i.state
	if prior == nil {
		prior = i.config
	}
	state, err := w.kinds[i.kind].read(ctx, w.p, i.id, prior)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if state == nil {
		return errors.New("it is gone")
	}
	state["id"] = i.id
	i.state = plain(state)
	return nil
}

// checkPlan fails the test for every resource that is not as configured.
func (w *workspace) checkPlan(ctx context.Context, c *configuration) {
	w.t.Helper()
	_, err := w.each(ctx, c, func(ctx context.Context, address, kind string, config object) (object, error) {
		i := w.find(address)
		if i == nil {
			return nil, errors.New("it was not made")
		}
		if err := w.refresh(ctx, i); err != nil {
			return nil, err
		}
		for _, d := range w.kinds[kind].schema.diff(config, i.state) {
			w.t.Errorf("the plan after an apply is not empty: %s: %s", address, d)
		}
		return i.state, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// checkImport reads every resource by its id alone and compares with its state.
func (w *workspace) checkImport(ctx context.Context) {
	w.t.Helper()
	for _, i := range w.instances {
		r := w.kinds[i.kind]
		state, err := r.read(ctx, w.p, i.id, nil)
		if err != nil || state == nil {
			w.t.Fatalf("import of %s (%s): %v", i.address, i.id, err)
		}
		state["id"] = i.id
		for _, d := range r.schema.diff(i.config, plain(state)) {
			if !slices.Contains(r.schema.unknown, d.path) {
				w.t.Errorf("%s is another one when it is imported: %s", i.address, d)
			}
		}
	}
}

// destroy removes everything, the last first.
func (w *workspace) destroy(ctx context.Context) {
	w.t.Helper()
	for _, i := range slices.Backward(slices.Clone(w.instances)) {
		w.remove(ctx, i)
	}
}

func (w *workspace) remove(ctx context.Context, i *instance) {
	w.t.Helper()
	begin, r := time.Now(), w.kinds[i.kind]
	w.instances = slices.DeleteFunc(w.instances, func(other *instance) bool { return other == i })
	if r.remove == nil {
		return
	}
	if err := r.remove(ctx, w.p, i.id, i.state); err != nil {
		w.t.Fatalf("destroy %s: %v", i.address, err)
	}
	state, err := r.read(ctx, w.p, i.id, nil)
	if err != nil || state != nil {
		w.t.Fatalf("%s is read after it was destroyed: %v, %v", i.address, state, err)
	}
	if took := time.Since(begin); strings.HasPrefix(i.kind, "aws_msk_") {
		fmt.Fprintf(w.out, "%-50s destroyed in %v\n", i.address, took.Round(time.Millisecond))
	}
}
