package control

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// However many operations a cluster has had, the newest are kept and the others go while the control plane runs, and when it starts.
func TestOldOperationsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startFleet()
		stop := w.startControl(t, w.store)
		key, err := w.create(w.ctx, "orders", 3)
		if err != nil {
			t.Fatal(err)
		}
		c := w.in(w.ctx, t, key, resource.Active)
		add := func(n int) (last string) {
			<-time.After(time.Minute) // of the bubble
			began := time.Now()
			var puts []metadata.Op
			for i := range n {
				at := began.Add(time.Duration(i) * time.Millisecond)
				op := resource.NewOperation(resource.OpCreateConnection, c.UUID, "", at).Complete(at, resource.StepInitialize, resource.StepFinalize)
				puts = append(puts, metadata.Put(op.Key(w.scope), metadata.Encode(op)))
				last = op.ID
			}
			for some := range slices.Chunk(puts, collectEvery/2) {
				w.commit(t, some...)
				synctest.Wait()
			}
			return last
		}
		count := func(why, newest string) {
			t.Helper()
			ops, err := resource.ListOperations(w.ctx, w.store, w.scope, c.UUID)
			if err != nil {
				t.Fatal(err)
			}
			shown, found := 0, false
			for _, op := range ops {
				if op.Type.Listed() {
					shown++
				}
				found = found || op.ID == newest
			}
			if shown < resource.OperationsKept || shown > resource.OperationsKept+collectEvery || !found {
				t.Errorf("%s: %d operations, the newest is there: %v", why, shown, found)
			}
		}
		count("as they come", add(resource.OperationsKept+collectEvery+50))
		stop()
		newest := add(collectEvery + 50)
		w.startControl(t, w.store)
		synctest.Wait()
		count("after a start", newest)
		if got := w.in(w.ctx, t, key, resource.Active); got.State != resource.Active {
			t.Errorf("the cluster is %s", got.State)
		}
	})
}

// A deleted secret is erased at the moment at which its recovery window has passed, whoever looks; one that was restored stays.
func TestDeletedSecretsAreErased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const day = 24 * time.Hour
		put := func(name string, v resource.Secret) {
			v.Name, v.Suffix = name, "AbCdEf"
			w.commit(t,
				metadata.Put(w.scope.SecretsPrefix()+name, metadata.Encode(v)),
				metadata.Put(w.scope.SecretValueKey(name, v.Suffix, "v1"), metadata.Encode("sealed")))
		}
		left := func(name string) (n int) {
			t.Helper()
			for _, prefix := range []string{w.scope.SecretsPrefix() + name, w.scope.SecretValuesPrefix(name, "AbCdEf")} {
				kvs, _, err := w.store.List(w.ctx, prefix)
				if err != nil {
					t.Fatal(err)
				}
				n += len(kvs)
			}
			return n
		}
		start := time.Now()
		put("kept", resource.Secret{})
		put("over", resource.Secret{PurgeAt: start.Add(-time.Second)})
		put("team/a-week", resource.Secret{PurgeAt: start.Add(7 * day)})
		put("restored", resource.Secret{PurgeAt: start.Add(7 * day)})
		w.startControl(t, w.store)
		put("later", resource.Secret{PurgeAt: start.Add(30*day + time.Minute)})
		synctest.Wait()
		want := func(when string, names map[string]int) {
			t.Helper()
			for name, n := range names {
				if got := left(name); got != n {
					t.Errorf("%s: %d records of %s, want %d", when, got, name, n)
				}
			}
		}
		want("at once", map[string]int{"over": 0, "kept": 2, "team/a-week": 2, "restored": 2, "later": 2})
		<-time.After(7*day - time.Second)
		synctest.Wait()
		put("restored", resource.Secret{})
		want("a second before", map[string]int{"team/a-week": 2, "restored": 2, "later": 2})
		<-time.After(time.Second)
		synctest.Wait()
		want("a week later", map[string]int{"kept": 2, "team/a-week": 0, "restored": 2, "later": 2})
		<-time.After(23*day + time.Minute)
		synctest.Wait()
		want("a month later", map[string]int{"kept": 2, "restored": 2, "later": 0})
	})
}

// A secret's record that cannot be read keeps nothing else from being erased.
func TestSecretsThatCannotBeReadStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startControl(t, w.store)
		w.commit(t, metadata.Put(w.scope.SecretsPrefix()+"broken", []byte("{")))
		over := w.scope.SecretsPrefix() + "over"
		w.commit(t, metadata.Put(over, metadata.Encode(resource.Secret{Name: "over", PurgeAt: time.Now()})))
		<-time.After(time.Minute)
		synctest.Wait()
		for key, want := range map[string]bool{over: false, w.scope.SecretsPrefix() + "broken": true} {
			if _, ok, err := w.store.Get(w.ctx, key); err != nil || ok != want {
				t.Errorf("%s is there: %v, %v", key, ok, err)
			}
		}
	})
}

// commit writes what callers and brokers write in other tests through more than the store.
func (w *world) commit(t *testing.T, ops ...metadata.Op) {
	t.Helper()
	if _, err := w.store.Commit(w.ctx, metadata.Txn{Then: ops}); err != nil {
		t.Fatal(fmt.Errorf("commit: %w", err))
	}
}
