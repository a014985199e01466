package buffer

import (
	"sync"
	"testing"
)

func TestClassesCoverSizesWithLittleWaste(t *testing.T) {
	for n := range 1<<16 + 1 {
		c := classOf(n)
		size := classSize(c)
		if size < n {
			t.Fatalf("size %d got class of %d bytes", n, size)
		}
		if c > 0 && classSize(c-1) >= n {
			t.Fatalf("size %d got class %d although class %d has %d bytes", n, c, c-1, classSize(c-1))
		}
		if n > 1024 && size*4 > n*5 {
			t.Fatalf("size %d wastes %d bytes", n, size-n)
		}
	}
	if got := classOf(1 << maxShift); got != classes-1 {
		t.Errorf("largest class is %d, want %d", got, classes-1)
	}
	if got := classOf(1<<maxShift + 1); got != -1 {
		t.Errorf("class above the largest is %d, want none", got)
	}
}

func TestPoolKeepsNoMoreThanItMay(t *testing.T) {
	p := NewPool(10 << 10)
	var bs []*Buffer
	for range 20 {
		bs = append(bs, p.Get(1000))
	}
	for _, b := range bs {
		b.Release()
	}
	if got := p.Held(); got != 10<<10 {
		t.Errorf("pool holds %d bytes, want %d", got, 10<<10)
	}
	b := p.Get(1<<maxShift + 1)
	if len(b.Bytes()) != 1<<maxShift+1 {
		t.Errorf("buffer has %d bytes", len(b.Bytes()))
	}
	b.Release()
	if got := p.Held(); got != 10<<10 {
		t.Errorf("pool holds %d bytes after a buffer above the largest class, want %d", got, 10<<10)
	}
	b = p.Get(1024)
	if got := p.Held(); got != 9<<10 {
		t.Errorf("pool holds %d bytes after a reuse, want %d", got, 9<<10)
	}
	b.Release()
}

func TestReleasePanicsWithoutReference(t *testing.T) {
	p := NewPool(1 << 20)
	b := p.Get(100)
	b.Retain()
	b.Release()
	b.Release()
	other := p.Get(100) // owns the memory now
	for name, fn := range map[string]func(){"Release": b.Release, "Retain": b.Retain} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of a released buffer did not panic", name)
				}
			}()
			fn()
		}()
	}
	if len(other.Bytes()) != 100 {
		t.Errorf("the other owner has %d bytes", len(other.Bytes()))
	}
}

func TestConcurrentReleaseReturnsOnce(t *testing.T) {
	p := NewPool(1 << 20)
	for range 100 {
		b := p.Get(1)
		var wg sync.WaitGroup
		for range 8 {
			b.Retain()
			wg.Go(b.Release)
		}
		b.Release()
		wg.Wait()
		if got := p.Held(); got != 1024 {
			t.Fatalf("pool holds %d bytes, want 1024", got)
		}
	}
}

func BenchmarkGetRelease(b *testing.B) {
	p := NewPool(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		p.Get(16 << 10).Release()
	}
}
