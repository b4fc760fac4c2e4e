package bus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"shmbus/internal/registry"
	"shmbus/internal/segment"
	"shmbus/layout"
)

// Errors for errors.Is. Many come inside a type that says more.
var (
	ErrNotFound = fs.ErrNotExist // no such bus; see NotFoundError
	ErrExists   = registry.ErrExists
	ErrClosed   = error(&sentinel{"the bus, publisher or subscription is closed", fs.ErrClosed})
	ErrRemoved  = segment.ErrRemoved
	// See FullError.
	ErrFull = errors.New("the ring is full: a reliable subscriber has not read its oldest " +
		"message yet")
	// See WakeupError.
	ErrNotWoken = errors.New("the message is published, but a subscriber that sleeps could not " +
		"be woken")
	ErrEmpty   = errors.New("no message")
	ErrLost    = errors.New("messages were lost")
	ErrEvicted = errors.New("the subscription was cut off: publishers waited for it longer than " +
		"its policy allows, or somebody evicted it")
	ErrTooLarge  = errors.New("message too large")
	ErrTableFull = errors.New("table full")
	ErrSizes     = errors.New("the bus exists with other sizes")
	ErrTopic     = errors.New("invalid topic")
	ErrName      = registry.ErrName
	ErrDecode    = errors.New("the message cannot be decoded")
	ErrBusy      = errors.New("a call on this publisher or subscription is in progress, or its " +
		"reservation is outstanding")
	// No call accepts the argument: a nil context, message or callback, or an empty frame.
	ErrInvalid = fs.ErrInvalid

	ErrNotABus    = layout.ErrNotABus
	ErrIncomplete = layout.ErrIncomplete
	ErrVersion    = layout.ErrVersion
	ErrCorrupt    = layout.ErrCorrupt
)

// A sentinel is an error with its own text. errors.Is also finds it to be an error of package fs.
type sentinel struct {
	text string
	is   error
}

func (s *sentinel) Error() string        { return s.text }
func (s *sentinel) Is(target error) bool { return target == s.is }

// An OpError says which operation on which bus failed.
//
// Calls of publishers and subscriptions return some errors without it: [ErrBusy], [ErrEmpty], the
// error of the call's own context, and errors whose own types say the same or more, such as
// [FullError] and [LossError].
type OpError struct {
	Op    string // "open", "create", "publish", "receive", …
	Bus   string
	Topic string // or the patterns of a subscription; empty where the operation has none
	Err   error
}

func (e *OpError) Error() string {
	if e.Topic == "" {
		return fmt.Sprintf("%s bus %q: %v", e.Op, e.Bus, e.Err)
	}
	return fmt.Sprintf("%s %q on bus %q: %v", e.Op, e.Topic, e.Bus, e.Err)
}

func (e *OpError) Unwrap() error { return e.Err }

// opError wraps err in an OpError, unless err is one of the errors that callers get unwrapped.
func opError(op, bus, topic string, err error) error {
	switch err {
	case nil, ErrBusy, ErrEmpty, context.Canceled, context.DeadlineExceeded:
		return err
	}
	switch err.(type) {
	case *OpError, *FullError, *WakeupError, *LossError, *EvictedError:
		return err
	}
	return &OpError{Op: op, Bus: bus, Topic: topic, Err: err}
}

// fail returns an error of one of the handle's own operations.
func (b *Bus) fail(op string, err error) error { return opError(op, b.name, "", err) }

func (p *Publisher) fail(op string, err error) error { return opError(op, p.bus.name, p.topic, err) }

func (s *Subscription) fail(err error) error { return opError("receive", s.bus.name, s.patterns, err) }

// A NotFoundError says that a bus does not exist, and which buses exist.
type NotFoundError struct {
	Name  string
	Dirs  []string  // the folders that were searched for key files
	Known []string  // buses that exist in these folders
	Lost  []LostBus // segments of buses of this name for which no key file was found anywhere
	// Elsewhere are buses of this name whose key file is in another folder.
	Elsewhere []LostBus
}

// explain turns an error of package registry into its public type.
func explain(err error) error {
	if errors.Is(err, layout.ErrGeometry) {
		return invalidSizes{err}
	}
	e, ok := err.(*registry.NotFoundError)
	if !ok {
		return err
	}
	public := func(from []registry.LostBus) (to []LostBus) {
		for _, l := range from {
			to = append(to, LostBus(l))
		}
		return to
	}
	return &NotFoundError{Name: e.Name, Dirs: e.Dirs, Known: e.Known,
		Lost: public(e.Lost), Elsewhere: public(e.Elsewhere)}
}

func (e *NotFoundError) Error() string {
	dirs := strings.Join(e.Dirs, ", ")
	switch {
	case len(e.Lost) == 1:
		l := e.Lost[0]
		return fmt.Sprintf("there is no key file of that name in %s, but segment %d (key %#08x, "+
			"user %d, %d mappings) is a bus of that name. If its key file was lost, do not make the "+
			"bus again, which would make a second bus: a busd that serves the bus, or a client that "+
			"waits and runs as root or user %d, writes the file back within seconds, and so does: "+
			"busd restore %s. If the bus belongs to another folder, set SHMBUS_DIR to that folder",
			dirs, l.ShmID, uint32(l.Key), l.UID, l.Attached, l.UID, e.Name)
	case len(e.Lost) > 1:
		ids := make([]string, len(e.Lost))
		for i, l := range e.Lost {
			ids[i] = strconv.Itoa(l.ShmID)
		}
		return fmt.Sprintf("there is no key file of that name in %s, but the segments %s are buses "+
			"of that name. If the key file of one was lost, do not make the bus again, which would "+
			"make another bus: busd restore %s describes each, and restores the one that --shmid "+
			"chooses. If the bus belongs to another folder, set SHMBUS_DIR to that folder",
			dirs, strings.Join(ids, ", "), e.Name)
	case len(e.Elsewhere) > 0:
		l := e.Elsewhere[0]
		return fmt.Sprintf("there is no such bus in %s; one of that name is in another folder (%s "+
			"names segment %d): to use it, set SHMBUS_DIR=%s; to make another of that name here: "+
			"busd create %s", dirs, l.Path, l.ShmID, filepath.Dir(l.Path), e.Name)
	}
	if len(e.Known) == 0 {
		return fmt.Sprintf("there is no such bus, nor any other, in %s (create it with: busd "+
			"create %s)", dirs, e.Name)
	}
	return fmt.Sprintf("there is no such bus in %s; there is: %s", dirs, strings.Join(e.Known, ", "))
}

func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

// A WakeupError says that a message is published, but that the kernel did not let this process wake
// every subscriber that sleeps and wants the message. Since it opened the bus, the process has
// given up privileges or got a filter for its system calls, or somebody has changed the mode of the
// bus.
//
// A subscriber that was not woken stays asleep until a process with the permission wakes it: the
// next one that publishes on any topic that the subscriber wants, or that certifies the subscriber.
// Publishing the message again would publish it twice. Open the bus again with the privileges that
// the process has now, or end the process.
type WakeupError struct {
	Err error // what the kernel said
}

func (e *WakeupError) Error() string { return fmt.Sprintf("%v: %v", ErrNotWoken, e.Err) }
func (e *WakeupError) Unwrap() error { return e.Err }

func (e *WakeupError) Is(target error) bool { return target == ErrNotWoken }

// A LossError is what a subscription returns instead of the messages that it lost. The next call
// returns the message after them.
type LossError struct {
	From  uint64 // the first lost position
	To    uint64 // the position after the last
	Count uint64 // positions lost: To-From, less those delivered or counted as lost before
}

func (e *LossError) Error() string {
	return fmt.Sprintf("lost %d positions between %d and %d: they were overwritten before they "+
		"were read", e.Count, e.From, e.To)
}

func (e *LossError) Is(target error) bool { return target == ErrLost }

// An EvictedError ends a reliable subscription whose patience, as set by [EvictAfter], is over, or
// that [Bus.Evict] or busd evict has cut off.
type EvictedError struct {
	Loss LossError // what was lost before the subscription learned that it was cut off
}

func (e *EvictedError) Error() string {
	if e.Loss.Count == 0 {
		return ErrEvicted.Error()
	}
	return fmt.Sprintf("%v; %v", ErrEvicted, &e.Loss)
}

func (e *EvictedError) Is(target error) bool {
	return target == ErrEvicted || (target == ErrLost && e.Loss.Count > 0)
}

// A SubscribersError says how many subscriptions wanted a topic when [Bus.WaitForSubscribers] gave
// up.
type SubscribersError struct {
	Bus, Topic string
	Want, Have int
	Err        error // why the wait ended: context.DeadlineExceeded or context.Canceled
}

func (e *SubscribersError) Error() string {
	return fmt.Sprintf("wait for subscribers of %q on bus %q: %d of %d subscriptions: %v",
		e.Topic, e.Bus, e.Have, e.Want, e.Err)
}

func (e *SubscribersError) Unwrap() error { return e.Err }

// A TooLargeError says how large a message may be.
type TooLargeError struct {
	Size, Max int // bytes; Size is 0 where it is not known
	// Slots and SlotSize are set if the limit comes from the ring and not from [WithMaxFrame]: a
	// frame takes half of the ring's positions at most.
	Slots, SlotSize int
}

func (e *TooLargeError) Error() string {
	if e.Slots > 0 {
		return fmt.Sprintf("%v: %d bytes, and half of this bus's ring of %d slots of %d bytes "+
			"carries %d (fixed at its creation: --slots, --slot-size or WithSlots, WithSlotSize)",
			ErrTooLarge, e.Size, e.Slots, e.SlotSize, e.Max)
	}
	return fmt.Sprintf("%v: %d bytes, this bus takes %d (fixed at its creation: --max-frame or "+
		"WithMaxFrame)", ErrTooLarge, e.Size, e.Max)
}

func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

// A TableFullError says which table has no free record, and which option makes the table larger.
type TableFullError struct {
	Table  string // "publishers", "subscribers", "topics", "clients"
	Size   int    // of the bus as it exists
	Asked  int    // by the options of this handle; 0 if they did not say
	Option string // of busd and Create
}

func (e *TableFullError) Error() string {
	var asked string
	if e.Asked != 0 && e.Asked != e.Size {
		asked = fmt.Sprintf(" (it existed with that number when this handle asked for %d)", e.Asked)
	}
	return fmt.Sprintf("all %d %s of the bus are in use%s; the number is fixed at creation: for "+
		"more, remove the bus (busd rm) and make it again with %s", e.Size, e.Table, asked, e.Option)
}

func (e *TableFullError) Is(target error) bool { return target == ErrTableFull }

// A TopicError says what is wrong with a topic or a pattern.
type TopicError struct {
	Topic, Problem string
	Pattern        bool // Topic is a pattern
}

func (e *TopicError) Error() string {
	if e.Pattern {
		return fmt.Sprintf("invalid pattern of topics %q: %s", e.Topic, e.Problem)
	}
	return fmt.Sprintf("%v %q: %s", ErrTopic, e.Topic, e.Problem)
}

func (e *TopicError) Is(target error) bool { return target == ErrTopic }

// A DecodeError says which message could not be decoded into a value, and why. The message itself
// is whole: it does not fit the value into which it is decoded, or its publisher has sent bytes
// that are not msgpack.
type DecodeError struct {
	Topic    string
	Position uint64 // of the message
	// Path leads to the value within the message, as in levels[2].bid. It is empty for the message
	// itself.
	Path string
	Err  error
}

func (e *DecodeError) Error() string {
	path := ""
	if e.Path != "" {
		path = e.Path + ": "
	}
	return fmt.Sprintf("decode message %d on topic %q: %s%v", e.Position, e.Topic, path, e.Err)
}

func (e *DecodeError) Unwrap() error { return e.Err }

func (e *DecodeError) Is(target error) bool { return target == ErrDecode }
