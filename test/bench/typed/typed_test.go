package typed

import (
	"fmt"
	"os"
	"testing"

	"shmbus/test/bench/link"
	"shmbus/test/bench/link/linktest"
	"shmbus/test/bench/worker"
)

func TestMain(m *testing.M) { linktest.Main(m) }

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
