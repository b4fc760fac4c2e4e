package typed

import (
	"fmt"
	"os"
	"testing"

	"shmbus/test/bench/link"
	"shmbus/test/bench/link/linktest"
	"shmbus/test/bench/worker"
)

func TestMain(m *testing.M) { linktest.Main(linktest.WithServer(m)) }

// Every value arrives as it was sent.
func TestOneWay(t *testing.T) {
	for _, contender := range []string{"typed-shmbus", "typed-nats", "typed-unix", "typed-codec"} {
		for _, codec := range []string{"reflect", "generated"} {
			t.Run(contender+"/codec="+codec, func(t *testing.T) {
				p := []string{"dir=" + t.TempDir(), fmt.Sprintf("id=test-%d", os.Getpid()), "codec=" + codec}
				start := func(role string) *linktest.Worker { return linktest.Start(t, linktest.Self(contender, role, p...)...) }
				if worker.Has(contender, "both") {
					w := start("both")
					w.Begin(5000)
					w.End()
					return
				}
				if worker.Has(contender, "server") {
					start("server")
				}
				recv := start(link.Recv)
				send := start(link.Send)
				for _, n := range []int{1, 5000, 333} {
					linktest.OneWay(t, send, recv, n)
				}
			})
		}
	}
}

// What the two codecs make can be read by both, and At's values are not all alike.
func TestCodecs(t *testing.T) {
	a, b := newReflected(), &generated{}
	for i := range uint64(5000) {
		want := At(i)
		for _, c := range [][2]codec{{a, a}, {a, b}, {b, a}, {b, b}} {
			encoded, err := c[0].encode(&want)
			if err != nil {
				t.Fatal(err)
			}
			if len(encoded) > slotSize-16 {
				t.Fatalf("%d bytes are too many for a slot", len(encoded))
			}
			var got Quote
			if err := c[1].decode(encoded, &got); err != nil || got != want {
				t.Fatalf("%T to %T: %v instead of %v, %v", c[0], c[1], got, want, err)
			}
		}
		if i > 0 && want == At(i-1) {
			t.Fatalf("%d and %d are equal", i-1, i)
		}
	}
}

// Every way brings every value back as it was.
func TestEncoding(t *testing.T) {
	for _, role := range []string{"encode", "decode"} {
		for _, way := range []string{"slot", "copy", "fresh", "reused"} {
			for _, what := range [][2]string{{"struct", "reflect"}, {"struct", "generated"}, {"map", "reflect"}, {"document", "reflect"}} {
				t.Run(role+"/"+way+"/"+what[0]+"/"+what[1], func(t *testing.T) {
					w := linktest.Start(t, linktest.Self("typed-encoding", role, "dir="+t.TempDir(), fmt.Sprintf("id=test-%d", os.Getpid()),
						"way="+way, "value="+what[0], "codec="+what[1])...)
					w.Begin(3)
					if p := w.End(); p["each"] == "" || p["samples"] == "" {
						t.Error(p)
					}
				})
			}
		}
	}
}

// The values have the sizes that the table says, and fit their slots.
func TestSubjects(t *testing.T) {
	for value, want := range map[string][2]int{"struct": {60, 80}, "map": {950, 1100}, "document": {9500, 11000}} {
		s, err := newSubject(worker.Params{"value": value})
		if err != nil {
			t.Fatal(err)
		}
		b, err := newReflected().encode(s.value)
		if err != nil || len(b) < want[0] || len(b) > want[1] || len(b) > s.slotSize-16 {
			t.Errorf("%s: %d bytes, %v", value, len(b), err)
		}
	}
	for _, p := range []worker.Params{{"value": "map", "codec": "generated"}, {"value": "novel"}, {"codec": "none"}} {
		if _, err := newSubject(p); err == nil {
			t.Errorf("%v is a subject", p)
		}
	}
}
