package typed

import (
	"shmbus/test/bench/library"
	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

// NATS carries bytes: its own encoded connections are deprecated, and encoding before publishing is
// what is recommended instead.
func init() {
	worker.Register("typed-nats", "server", library.BecomeServer)
	for _, role := range []string{link.Send, link.Recv} {
		worker.Register("typed-nats", role, func(p worker.Params) (worker.Runner, error) {
			s, err := newSeries(p)
			if err != nil {
				return nil, err
			}
			return library.OpenNATS(role, p, s.fill, s.take)
		})
	}
}
