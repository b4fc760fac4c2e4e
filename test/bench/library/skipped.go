package library

import (
	"fmt"

	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

// skip registers a contender that is not to be had, with the reason why.
func skip(contender, reason string, roles ...string) {
	for _, role := range roles {
		worker.Register(contender, role, func(worker.Params) (worker.Runner, error) {
			return nil, fmt.Errorf("%w: %s", worker.ErrSkipped, reason)
		})
	}
}

// Libraries that belong into the comparison and are not in it.
func init() {
	between := []string{link.Send, link.Recv, link.Ping, link.Pong}
	skip("mangos", "its module, go.nanomsg.org/mangos/v3, could not be fetched", between...)
	skip("shmipc", "its module, github.com/cloudwego/shmipc-go, could not be fetched", between...)
	skip("go-disruptor", "its module, github.com/smartystreets-prototypes/go-disruptor, could not be fetched", "both")
}
