package payload

import (
	"fmt"
	"testing"
)

var sizes = []int{16, 24, 48, 56, 64, 72, 80, 120, 128, 136, 256, 1000, 1024, 4096, 65536}

func TestStampedIsChecked(t *testing.T) {
	for _, size := range sizes {
		b := New(size)
		for i := range uint64(200) {
			Stamp(b, i)
			if !Check(b, i) || !CheckAll(b, i) || Number(b) != i {
				t.Fatalf("size %d: message %d is not recognised", size, i)
			}
			if Check(b, i+1) || CheckAll(b, i+1) {
				t.Fatalf("size %d: message %d passes for the one after it", size, i)
			}
		}
	}
}

// Every byte counts for CheckAll, every stamped word for Check: what is not copied is noticed.
func TestChangedBytesAreFound(t *testing.T) {
	for _, size := range sizes[:12] {
		t.Run(fmt.Sprint("size=", size), func(t *testing.T) {
			const i = 7
			b := New(size)
			Stamp(b, i)
			for at := range b {
				b[at] ^= 0x10
				if CheckAll(b, i) {
					t.Fatalf("byte %d was changed, and CheckAll did not find it", at)
				}
				stamped := at < line || at%line < 8 || at >= size-8
				if found := !Check(b, i); found != stamped {
					t.Fatalf("byte %d was changed: found by Check: %v, stamped: %v", at, found, stamped)
				}
				b[at] ^= 0x10
			}
		})
	}
}

func TestCheckerWantsTheSize(t *testing.T) {
	c := Checker{Size: 64}
	long := New(128)
	Stamp(long, 0)
	c.Take(long[:64])
	if c.Bad != 0 {
		t.Fatal("message 0 is not recognised")
	}
	Stamp(long, 1)
	c.Take(long[:56])
	if c.Bad != 1 || c.Next != 2 {
		t.Fatalf("a message that was cut passes: %+v", c)
	}
}

func BenchmarkStamp(b *testing.B) {
	for _, size := range []int{16, 48, 64, 256, 4096} {
		b.Run(fmt.Sprint("size=", size), func(b *testing.B) {
			m := New(size)
			for i := range b.N {
				Stamp(m, uint64(i))
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, size := range []int{16, 48, 64, 256, 4096} {
		b.Run(fmt.Sprint("size=", size), func(b *testing.B) {
			m := New(size)
			for i := range b.N {
				Stamp(m, uint64(i))
				if !Check(m, uint64(i)) {
					b.Fatal(i)
				}
			}
		})
	}
}
