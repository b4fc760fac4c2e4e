package bus

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"shmbus/internal/registry"
	"shmbus/layout"
)

// An Option changes how a bus is created or opened. Sizes matter at creation only, but see [WithExactSizes].
type Option func(*config)

type config struct {
	registry.Spec
	asked   layout.Geometry // the sizes that options name; 0 where none does
	exact   bool
	clients int
	dirs    []string
	client  string
	daemon  bool
	awaits  bool // await says for how long opening waits for the bus
	await   context.Context
}

// programName is the default name of a client.
func programName() string {
	if len(os.Args) == 0 {
		return "unknown"
	}
	return filepath.Base(os.Args[0])
}

// unset is a size that no option has set.
const unset = math.MinInt

func newConfig(opts []Option) config {
	c := config{Spec: registry.Spec{Geometry: layout.Default(), Mode: 0o600, UID: -1, GID: -1}, client: programName()}
	c.Geometry.MaxFrame = unset
	for _, o := range opts {
		if o != nil {
			o(&c)
		}
	}
	if len(c.dirs) == 0 {
		c.dirs = Dirs()
	}
	c.dirs = registry.Absolute(c.dirs)
	g := &c.Geometry
	switch {
	case g.MaxFrame == unset:
		g.MaxFrame = g.DefaultMaxFrame()
	case g.MaxFrame <= layout.MaxFrameSize:
		g.MaxFrame = min(g.MaxFrame, max(g.Carries(), 1))
	}
	if g.Subscribers > 0 {
		g.Subscribers = (g.Subscribers + 63) / 64 * 64
	}
	if c.asked.Subscribers > 0 {
		c.asked.Subscribers = g.Subscribers
	}
	if c.asked.MaxFrame > 0 {
		c.asked.MaxFrame = g.MaxFrame
	}
	g.Clients = c.clients
	if g.Clients == 0 {
		g.Clients = min(g.Publishers+g.Subscribers+32, layout.MaxClients)
	}
	return c
}

// WithSlots sets how many messages the ring holds: a power of two from 8 to 2^19. Default 16384.
func WithSlots(n int) Option { return func(c *config) { c.Geometry.Slots, c.asked.Slots = n, n } }

// WithSlotSize sets the bytes of a slot, a multiple of 64 from 64 to 16 MiB. 16 of them are the frame's
// header. Larger frames take several slots. Default 256.
func WithSlotSize(bytes int) Option {
	return func(c *config) { c.Geometry.SlotSize, c.asked.SlotSize = bytes, bytes }
}

// WithTopics sets how many topics there can ever be, up to 65536. Default 1024.
func WithTopics(n int) Option { return func(c *config) { c.Geometry.Topics, c.asked.Topics = n, n } }

// WithPublishers sets how many publishers there can be at a time, up to 4096. Default 64.
func WithPublishers(n int) Option {
	return func(c *config) { c.Geometry.Publishers, c.asked.Publishers = n, n }
}

// WithSubscribers sets how many subscriptions there can be at a time, up to 1024, rounded up to
// a multiple of 64. Default 256.
func WithSubscribers(n int) Option {
	return func(c *config) { c.Geometry.Subscribers, c.asked.Subscribers = n, n }
}

// WithClients sets how many handles can be open at a time. Default: publishers + subscribers + 32.
func WithClients(n int) Option { return func(c *config) { c.clients, c.asked.Clients = n, n } }

// WithOwnedSlots sets how many slots each publisher owns beside those of the ring, 2 to 12. More
// let a publisher run further ahead of the caches. Default 8.
func WithOwnedSlots(n int) Option { return func(c *config) { c.Geometry.Owned, c.asked.Owned = n, n } }

// WithMaxFrame sets the size in bytes of the largest message, up to 1 GiB. Default 16 MiB.
//
// A message takes half of the ring's slots at most, so that subscribers for whom nobody waits get it, too. Where that is
// less, it is the limit: 1.8 MiB in a ring of default sizes. More or larger slots ([WithSlots], [WithSlotSize]) carry
// larger messages. [Publisher.MaxFrame] says what the bus takes, and so does the [TooLargeError] of what it does not take.
func WithMaxFrame(bytes int) Option {
	return func(c *config) { c.Geometry.MaxFrame, c.asked.MaxFrame = bytes, bytes }
}

// WithExactSizes makes [Open] and [OpenOrCreate] fail with a [*SizesError] where the bus exists with other sizes than
// those that options name. Without it they open the bus with the sizes that it has.
func WithExactSizes() Option { return func(c *config) { c.exact = true } }

// WithMode sets the permission bits of segment and semaphores. Default 0600. Publishing and
// subscribing need read and write, [Observe] needs read only. The key file gets the same without
// the right of others to write.
func WithMode(mode fs.FileMode) Option { return func(c *config) { c.Mode = mode.Perm() } }

// WithOwner gives a new bus to a user and a group; -1 leaves either as it is: the user is the creator, the group that which the
// folder of key files gives to a new file, the creator's own unless the folder has the setgid bit. The creator stays the creator to
// the kernel: it keeps the rights of the owner, and its own group those of the bus's group. Giving a bus to another
// user takes root; to a group, membership.
func WithOwner(uid, gid int) Option { return func(c *config) { c.UID, c.GID = uid, gid } }

// WithHugePages makes the segment of huge pages, which must be available (sysctl vm.nr_hugepages).
func WithHugePages() Option { return func(c *config) { c.Huge = true } }

// WithDir sets the folder of key files, instead of [Dirs].
func WithDir(dir string) Option { return func(c *config) { c.dirs = []string{dir} } }

// WithClientName sets the name under which busd status shows this process. Default: the program's name.
func WithClientName(name string) Option { return func(c *config) { c.client = name } }

// WithDaemon marks this client as the bus's daemon, for busd status.
func WithDaemon() Option { return func(c *config) { c.daemon = true } }

// A WaitStrategy says what a call does that has to wait.
type WaitStrategy uint8

const (
	// Adaptive spins for some ten microseconds, yields a few times, then sleeps. The default.
	Adaptive WaitStrategy = iota
	// Block sleeps at once: the least processor time.
	Block
	// Yield gives the processor to others between looks, and never sleeps.
	Yield
	// Spin never lets go of the processor: the lowest latency, and a core for each that waits.
	Spin
)

func (w WaitStrategy) String() string {
	if w > Spin {
		return fmt.Sprintf("WaitStrategy(%d)", uint8(w))
	}
	return [...]string{"adaptive", "block", "yield", "spin"}[w]
}

// A PublishOption changes a publisher.
type PublishOption interface{ publisher(*publisherConfig) }

type publishOption func(*publisherConfig)

func (o publishOption) publisher(c *publisherConfig) { o(c) }

type publisherConfig struct {
	exclusive bool
	noWait    bool
	time      bool
	wait      WaitStrategy
}

// A CommonOption is both a [PublishOption] and a [SubscribeOption].
type CommonOption interface {
	PublishOption
	SubscribeOption
}

type wait WaitStrategy

func (w wait) publisher(c *publisherConfig) { c.wait = WaitStrategy(w) }
func (w wait) subscribe(c *subscribeConfig) { c.wait = WaitStrategy(w) }

// Wait sets how a subscription waits for messages, and how a publisher waits for room. The default is [Adaptive].
func Wait(w WaitStrategy) CommonOption { return wait(w) }

type exclusive struct{}

func (exclusive) publisher(c *publisherConfig) { c.exclusive = true }
func (exclusive) subscribe(c *subscribeConfig) { c.exclusive = true }

// Exclusive makes a publisher or a subscription one for a single goroutine at a time, and faster: calls take no turns, Publish encodes
// straight into the slot, Reserve lends the publisher's own slot, and the Raw of a message that is received is valid until the next call
// on the subscription only. Calls that overlap return [ErrBusy] in most cases; in the others two goroutines that share an exclusive
// publisher damage the bus for everybody. Close may still be called by any goroutine; it does not wait for a value that encodes itself, nor, if
// that has panicked, does it give the record back before the next Publish or the garbage collector does.
//
// An exclusive publisher has no look to spare for how long it was idle. [Publisher.PublishRaw] takes a ring in which others have gone on
// by a multiple of 2^32 laps meanwhile, to the very lap, for the one that it knew, and publishes at a position that is long gone.
// With 8 slots at full speed that takes a quarter of an hour, with 16,384 three weeks. The form for any goroutine looks.
func Exclusive() CommonOption { return exclusive{} }

// NoWait makes publishing fail with a [FullError], which is [ErrFull], where it would have to wait for a reliable subscriber. One that
// has died is not waited for: its death is noticed by the calls that fail, within some milliseconds. The patience of
// a subscription ([EvictAfter], [DemoteAfter]) counts as for publishers that wait, from the first call that fails because
// of it; between two calls no more of it passes than an eighth, or 10 ms if that is more.
func NoWait() PublishOption { return publishOption(func(c *publisherConfig) { c.noWait = true }) }

// WithTime stamps every message with the time at which it was ready to be published, before any wait for room. It costs
// 8 bytes of each message and the reading of a clock.
func WithTime() PublishOption { return publishOption(func(c *publisherConfig) { c.time = true }) }

// A SubscribeOption changes a subscription.
type SubscribeOption interface{ subscribe(*subscribeConfig) }

type subscribeOption func(*subscribeConfig)

func (o subscribeOption) subscribe(c *subscribeConfig) { o(c) }

type subscribeConfig struct {
	exclusive bool
	patterns  []string
	policy    uint64
	patience  time.Duration
	both      bool // EvictAfter and DemoteAfter
	start     start
	wait      WaitStrategy
}

// Also adds patterns: messages that match any of them are delivered, once each.
func Also(patterns ...string) SubscribeOption {
	return subscribeOption(func(c *subscribeConfig) { c.patterns = append(c.patterns, patterns...) })
}

// Reliable makes publishers wait for this subscription rather than overwrite what it has not read.
func Reliable() SubscribeOption {
	return subscribeOption(func(c *subscribeConfig) {
		if c.policy == layout.PolicyLossy {
			c.policy = layout.PolicyBlock
		}
	})
}

// EvictAfter is [Reliable] as long as the subscription moves on: when a publisher has waited for it for d during which it has released
// no message, publishers wait no longer, and the subscription ends with [EvictedError]. What counts is what one
// publisher sees: a subscription that has just joined or moved has all of its patience before it, whoever has waited for
// whom until then, and the time during which a publisher was stopped does not count. d is more than 0.
func EvictAfter(d time.Duration) SubscribeOption {
	return subscribeOption(func(c *subscribeConfig) { c.givesUp(layout.PolicyEvict, d) })
}

// DemoteAfter is [Reliable] as long as the subscription moves on, as with [EvictAfter]: when its patience d is over, it goes on as a
// lossy one, and learns from a [LossError] what it lost.
func DemoteAfter(d time.Duration) SubscribeOption {
	return subscribeOption(func(c *subscribeConfig) { c.givesUp(layout.PolicyDemote, d) })
}

func (c *subscribeConfig) givesUp(policy uint64, d time.Duration) {
	c.both = c.both || c.policy > layout.PolicyBlock && c.policy != policy
	c.policy, c.patience = policy, d
}

// check reports an option that makes no sense.
func (c *subscribeConfig) check() error {
	if c.policy > layout.PolicyBlock && c.patience <= 0 {
		return fmt.Errorf("%w: a patience of %v: EvictAfter and DemoteAfter take the time for which publishers are to wait for a "+
			"subscription that does not move, more than 0 (for a subscription that nobody waits for leave the option out; for one that all wait for use Reliable)", ErrInvalid, c.patience)
	}
	if c.both {
		return fmt.Errorf("%w: EvictAfter and DemoteAfter exclude each other: leave out one", ErrInvalid)
	}
	return c.wait.check()
}

func (c *publisherConfig) check() error { return c.wait.check() }

func (w WaitStrategy) check() error {
	if w > Spin {
		return fmt.Errorf("%w: wait strategy %d: use Adaptive, Block, Yield or Spin", ErrInvalid, uint8(w))
	}
	return nil
}

type start struct {
	kind     uint8 // 0 now, 1 oldest, 2 position
	position uint64
}

// FromNow starts with the next message that is published. The default.
func FromNow() SubscribeOption {
	return subscribeOption(func(c *subscribeConfig) { c.start = start{} })
}

// FromOldest starts with the oldest message that the ring still holds.
func FromOldest() SubscribeOption {
	return subscribeOption(func(c *subscribeConfig) { c.start = start{kind: 1} })
}

// FromPosition starts at a position. If it is overwritten already, the first call returns a [LossError], and the next goes on with the
// oldest message that is held then; until the first call, publishers leave a [Reliable] subscription what is published after it
// was made, and no more. A position beyond the next to be published is an error.
func FromPosition(p uint64) SubscribeOption {
	return subscribeOption(func(c *subscribeConfig) { c.start = start{kind: 2, position: p} })
}
