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

// An Option changes how a bus is created or opened. Sizes matter at creation only, except with
// [WithExactSizes].
type Option func(*config)

type config struct {
	registry.Spec
	asked   layout.Geometry // the sizes that options name; 0 where none does
	exact   bool
	clients int
	dirs    []string
	client  string
	daemon  bool
	awaits  bool // opening waits for the bus until await ends
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
	c := config{
		Spec:   registry.Spec{Geometry: layout.Default(), Mode: 0o600, UID: -1, GID: -1},
		client: programName(),
	}
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
	if g.Subscribers > 0 && g.Subscribers <= layout.MaxSubscribers {
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
		g.Clients = min(g.Publishers, layout.MaxPublishers) +
			min(g.Subscribers, layout.MaxSubscribers) + 32
	}
	return c
}

// WithSlots sets how many messages the ring holds: a power of two from 8 to 2^19. Default 16384.
func WithSlots(n int) Option { return func(c *config) { c.Geometry.Slots, c.asked.Slots = n, n } }

// WithSlotSize sets the bytes of a slot, a multiple of 64 from 64 to 16 MiB. The frame header takes
// 16 of them. Larger frames take several slots. Default 256.
func WithSlotSize(bytes int) Option {
	return func(c *config) { c.Geometry.SlotSize, c.asked.SlotSize = bytes, bytes }
}

// WithTopics sets how many topics there can ever be, up to 65536. Default 1024.
func WithTopics(n int) Option { return func(c *config) { c.Geometry.Topics, c.asked.Topics = n, n } }

// WithPublishers sets how many publishers there can be at a time, up to 4096. Default 64.
func WithPublishers(n int) Option {
	return func(c *config) { c.Geometry.Publishers, c.asked.Publishers = n, n }
}

// WithSubscribers sets how many subscriptions there can be at a time, up to 1024, rounded up to a
// multiple of 64. Default 256.
func WithSubscribers(n int) Option {
	return func(c *config) { c.Geometry.Subscribers, c.asked.Subscribers = n, n }
}

// WithClients sets how many handles can be open at a time. Default: publishers + subscribers + 32.
func WithClients(n int) Option { return func(c *config) { c.clients, c.asked.Clients = n, n } }

// WithOwnedSlots sets how many slots each publisher owns in addition to those of the ring, 2 to 12.
// With more slots, a publisher can fetch the cache lines of a slot earlier. Default 8.
func WithOwnedSlots(n int) Option { return func(c *config) { c.Geometry.Owned, c.asked.Owned = n, n } }

// WithMaxFrame sets the size in bytes of the largest message, up to 1 GiB. Default 16 MiB.
//
// A message takes half of the ring's slots at most, so that subscribers for whom no publisher waits
// receive it, too. In a ring of default sizes that is 1.8 MiB, and it is the limit if it is less
// than the maximum set here. More or larger slots ([WithSlots], [WithSlotSize]) carry larger
// messages. [Publisher.MaxFrame] returns the limit of a bus, and a [TooLargeError] names it.
func WithMaxFrame(bytes int) Option {
	return func(c *config) { c.Geometry.MaxFrame, c.asked.MaxFrame = bytes, bytes }
}

// WithExactSizes makes [Open] and [OpenOrCreate] fail with a [*SizesError] if the bus exists and
// its sizes differ from those that options name. Without it they open the bus with the sizes that
// it has.
func WithExactSizes() Option { return func(c *config) { c.exact = true } }

// WithMode sets the permission bits of segment and semaphores. Default 0600. Publishing and
// subscribing need read and write permission, [Observe] needs read permission only. The key file
// gets the same bits without write permission for group and others.
func WithMode(mode fs.FileMode) Option { return func(c *config) { c.Mode = mode.Perm() } }

// WithOwner gives a new bus to a user and a group. -1 leaves either at its default: the user is the
// creator, and the group is that of a new file in the folder of key files. That is the creator's
// own group unless the folder has the setgid bit.
//
// The kernel remembers the creator: it keeps the rights of the owner, and its group keeps those of
// the bus's group. Giving a bus to another user takes root; giving it to a group takes membership.
func WithOwner(uid, gid int) Option { return func(c *config) { c.UID, c.GID = uid, gid } }

// WithHugePages makes the segment of huge pages, which must be available (sysctl vm.nr_hugepages).
func WithHugePages() Option { return func(c *config) { c.Huge = true } }

// WithDir sets the folder of key files, instead of [Dirs].
func WithDir(dir string) Option { return func(c *config) { c.dirs = []string{dir} } }

// WithClientName sets the name under which busd status shows this process. Default: the program's
// name.
func WithClientName(name string) Option { return func(c *config) { c.client = name } }

// WithDaemon marks this client as the bus's daemon, for busd status.
func WithDaemon() Option { return func(c *config) { c.daemon = true } }

// A WaitStrategy says what a call does while it waits.
type WaitStrategy uint8

const (
	// Adaptive spins for about ten microseconds, yields a few times, then sleeps. The default.
	Adaptive WaitStrategy = iota
	// Block sleeps at once. It uses the least processor time.
	Block
	// Yield gives the processor to other goroutines between two looks, and never sleeps.
	Yield
	// Spin never gives up the processor: the lowest latency, at the cost of a core for each call
	// that waits.
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

// Wait sets how a subscription waits for messages, and how a publisher waits for room. The default
// is [Adaptive].
func Wait(w WaitStrategy) CommonOption { return wait(w) }

type exclusive struct{}

func (exclusive) publisher(c *publisherConfig) { c.exclusive = true }
func (exclusive) subscribe(c *subscribeConfig) { c.exclusive = true }

// Exclusive makes a publisher or a subscription faster, and usable by one goroutine at a time only.
// Calls take no turns, Publish encodes straight into the slot, Reserve lends the publisher's own
// slot, and the Raw of a received message is valid only until the next call on the subscription.
//
// Most calls that overlap return [ErrBusy], but not all: two goroutines that share an exclusive
// publisher can damage the bus for every process. Close may still be called by any goroutine. It
// does not wait for a value that encodes itself. If such a value has panicked, the record is given
// back by the next Publish or by the garbage collector.
//
// An exclusive [Publisher.PublishRaw] does not check for how long the publisher was idle. If the
// other publishers have meanwhile advanced by exactly a multiple of 2^32 laps, it takes the ring to
// be unchanged and publishes at a position that is long past. At full speed 2^32 laps take a
// quarter of an hour with 8 slots, and three weeks with 16,384. The default form makes this check.
func Exclusive() CommonOption { return exclusive{} }

// NoWait makes publishing fail with a [FullError], which is [ErrFull], if it would have to wait for
// a reliable subscriber. It does not wait for a subscriber that has died: the calls that fail
// notice the death within some milliseconds.
//
// The patience of a subscription ([EvictAfter], [DemoteAfter]) runs as it does for publishers that
// wait, from the first call that fails because of the subscription. Between two calls at most an
// eighth of the patience, or 10 ms if that is more, counts.
func NoWait() PublishOption { return publishOption(func(c *publisherConfig) { c.noWait = true }) }

// WithTime stamps every message with the time at which it was ready to be published, before any
// wait for room. It costs 8 bytes of each message and one reading of the clock.
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

// Reliable makes publishers wait for this subscription rather than overwrite messages that it has
// not read.
func Reliable() SubscribeOption {
	return subscribeOption(func(c *subscribeConfig) {
		if c.policy == layout.PolicyLossy {
			c.policy = layout.PolicyBlock
		}
	})
}

// EvictAfter is [Reliable] for as long as the subscription moves on. When a publisher has waited
// for time d and the subscription has released no message meanwhile, publishers stop waiting for it
// and it ends with an [EvictedError].
//
// Each publisher measures d for itself, from what it sees. A subscription that has just joined or
// moved has all of d before it, however long other publishers have waited. The time during which a
// publisher was stopped does not count. d is more than 0.
func EvictAfter(d time.Duration) SubscribeOption {
	return subscribeOption(func(c *subscribeConfig) { c.givesUp(layout.PolicyEvict, d) })
}

// DemoteAfter is [Reliable] for as long as the subscription moves on, as with [EvictAfter]. When
// its patience d is over, the subscription becomes lossy, and a [LossError] says what it lost.
func DemoteAfter(d time.Duration) SubscribeOption {
	return subscribeOption(func(c *subscribeConfig) { c.givesUp(layout.PolicyDemote, d) })
}

func (c *subscribeConfig) givesUp(policy uint64, d time.Duration) {
	c.both = c.both || c.policy > layout.PolicyBlock && c.policy != policy
	c.policy, c.patience = policy, d
}

// check returns an error for options that contradict each other or are out of range.
func (c *subscribeConfig) check() error {
	if c.policy > layout.PolicyBlock && c.patience <= 0 {
		return fmt.Errorf("%w: a patience of %v: EvictAfter and DemoteAfter take the time for which "+
			"publishers are to wait for a subscription that does not move, more than 0 (for a "+
			"subscription that nobody waits for leave the option out; for one that all wait for use "+
			"Reliable)", ErrInvalid, c.patience)
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

// FromPosition starts at a position. If that position is overwritten already, the first call
// returns a [LossError], and the next call continues with the oldest message held by then. Until
// the first call, a [Reliable] subscription protects only what is published after it was made. A
// position beyond the next one to be published is an error.
func FromPosition(p uint64) SubscribeOption {
	return subscribeOption(func(c *subscribeConfig) { c.start = start{kind: 2, position: p} })
}
