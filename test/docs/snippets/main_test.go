package snippets

import (
	"context"
	"log"
	"os"
	"testing"
	"time"

	"shmbus/bus"
	"shmbus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// open makes a bus in a folder of its own; done removes both.
func open(name string, opts ...bus.Option) (b *bus.Bus, done func()) {
	dir, err := os.MkdirTemp("", "snippets-")
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv("SHMBUS_DIR", dir)
	b, err = bus.Create(name, opts...)
	if err != nil {
		log.Fatal(err)
	}
	return b, func() {
		b.Close()
		if err := bus.Remove(name); err != nil {
			log.Fatal(err)
		}
		os.RemoveAll(dir)
	}
}

// within returns a context that ends if an example hangs.
func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}
