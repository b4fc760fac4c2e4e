package bustest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"shmbus/bus"
)

// within is how long Expect waits for a message.
const within = 10 * time.Second

// A Message is an expectation of [Expect] that includes the topic.
type Message struct {
	Topic string
	Value any
}

// Expect receives the next messages of the subscription and compares them with those wanted. It
// waits for each message for 10 seconds at most. At the first difference the test ends, with a list
// of all messages in the order in which they came. Messages after the last one wanted stay in the
// subscription; [Drain] returns them.
//
// Each wanted item is one of
//
//   - a [Message]: the topic, and a value as below;
//   - an error such as [bus.ErrLost]: instead of a message, the subscription returns an error in
//     which errors.Is finds it;
//   - any other value: the message is decoded into a value of the same type and compared, with the
//     type's Equal method if it has one. So a struct is compared in the fields that its type has,
//     and nil means a msgpack nil.
func Expect(t testing.TB, s *bus.Subscription, want ...any) {
	t.Helper()
	if s == nil {
		t.Fatal("bustest.Expect: the subscription is nil: did Subscribe return an error?")
	}
	if text := expect(s, want); text != "" {
		t.Fatal("bustest.Expect: " + text)
	}
}

// Drain returns the messages that can be received now, without waiting. It leaves out positions
// that the subscription has lost; [bus.Subscription.Stats] counts them. Any other error ends the
// test.
func Drain(t testing.TB, s *bus.Subscription) []bus.Message {
	t.Helper()
	if s == nil {
		t.Fatal("bustest.Drain: the subscription is nil: did Subscribe return an error?")
	}
	var all []bus.Message
	for {
		m, err := s.TryNext()
		switch {
		case err == nil:
			all = append(all, m.Clone())
		case errors.Is(err, bus.ErrEmpty):
			return all
		case !errors.Is(err, bus.ErrLost) || errors.Is(err, bus.ErrEvicted):
			t.Fatalf("bustest.Drain: after %d messages: %v", len(all), err)
		}
	}
}

// expect returns what is wrong, or "".
func expect(s *bus.Subscription, want []any) string {
	var report strings.Builder
	for i, w := range want {
		m, err := next(s)
		wrong := difference(m, err, w)
		if len(wrong) == 0 {
			fmt.Fprintf(&report, "\n%4d  %s\n        as wanted", i+1, received(m, err, w))
			continue
		}
		fmt.Fprintf(&report, "\n%4d  %s\n  want  %s", i+1, received(m, err, w), wanted(w))
		for _, line := range wrong {
			fmt.Fprintf(&report, "\n        %s", line)
		}
		for range max(len(want)-i-1, 3) {
			m, err := s.TryNext()
			if errors.Is(err, bus.ErrEmpty) {
				break
			}
			fmt.Fprintf(&report, "\n  then  %s", received(m, err, nil))
			if err != nil {
				break
			}
		}
		return fmt.Sprintf("message %d of %d is not the one wanted:%s", i+1, len(want), &report)
	}
	return ""
}

// next polls, so that it also works with the clock of a synctest bubble.
func next(s *bus.Subscription) (bus.Message, error) {
	for end := time.Now().Add(within); ; time.Sleep(200 * time.Microsecond) {
		m, err := s.TryNext()
		if !errors.Is(err, bus.ErrEmpty) {
			return m, err
		}
		if time.Now().After(end) {
			return m, fmt.Errorf("%w within %v", bus.ErrEmpty, within)
		}
	}
}

// difference returns what differs between the result and what was wanted, a line each.
func difference(m bus.Message, err error, want any) []string {
	if w, ok := want.(error); ok {
		if err == nil {
			return []string{"a message instead of an error"}
		} else if !errors.Is(err, w) {
			return []string{"another error"}
		}
		return nil
	}
	if err != nil {
		return []string{"no message"}
	}
	var lines []string
	if w, ok := want.(Message); ok {
		if m.Topic != w.Topic {
			lines = append(lines, fmt.Sprintf("topic: got %q, want %q", m.Topic, w.Topic))
		}
		want = w.Value
	}
	got, err := decode(m, want)
	if err != nil {
		return append(lines, err.Error())
	}
	return append(lines, differences(got, reflect.ValueOf(&want).Elem())...)
}

// decode returns the message as a value of the type of like, in an interface.
func decode(m bus.Message, like any) (reflect.Value, error) {
	var out any
	if like == nil {
		err := m.Decode(&out)
		return reflect.ValueOf(&out).Elem(), err
	}
	v := reflect.New(reflect.TypeOf(like))
	err := m.Decode(v.Interface())
	out = v.Elem().Interface()
	return reflect.ValueOf(&out).Elem(), err
}

// received describes the result, decoded as the type that was wanted if that is possible.
func received(m bus.Message, err error, want any) string {
	if err != nil {
		return err.Error()
	}
	if w, ok := want.(Message); ok {
		want = w.Value
	}
	v, err := decode(m, want)
	if err != nil {
		v, err = decode(m, nil)
	}
	text := show(v)
	if err != nil {
		text = fmt.Sprintf("% x, which is not msgpack", m.Raw)
	}
	return fmt.Sprintf("position %d, topic %s: %s", m.Position, m.Topic, text)
}

func wanted(want any) string {
	switch w := want.(type) {
	case error:
		return "the error: " + w.Error()
	case Message:
		return fmt.Sprintf("topic %s: %s", w.Topic, show(reflect.ValueOf(&w.Value).Elem()))
	}
	return show(reflect.ValueOf(&want).Elem())
}
