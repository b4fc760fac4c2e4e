package bus

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// filledIn sets every field of a value to something of its own, and slices and pointers to one
// element.
func filledIn(v reflect.Value, n *uint64) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1700000000+int64(*n), 5e8).UTC()))
			return
		}
		for i := range v.NumField() {
			filledIn(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		filledIn(v.Index(0), n)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filledIn(v.Elem(), n)
	case reflect.String:
		v.SetString("text " + time.Duration(*n).String())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(float64(*n) / 4)
	case reflect.Uint64, reflect.Uint32:
		v.SetUint(*n)
	default:
		v.SetInt(int64(*n))
	}
}

// The JSON of a snapshot is a promise: fields are added, and none is renamed or changes its form.
// It says all that a snapshot does.
func TestSnapshotJSON(t *testing.T) {
	var s Snapshot
	var n uint64
	filledIn(reflect.ValueOf(&s).Elem(), &n)
	got, err := json.MarshalIndent(s, "", "  ")
	require.NoError(t, err)
	const golden = "testdata/snapshot.json"
	want, err := os.ReadFile(golden)
	if os.IsNotExist(err) || os.Getenv("SHMBUS_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(golden, append(got, '\n'), 0o644))
		t.Fatal("written anew: look at the difference, and run the test again")
	}
	require.NoError(t, err)
	assert.Equal(t, strings.TrimSpace(string(want)), string(got))
	var back Snapshot
	strict := json.NewDecoder(bytes.NewReader(got))
	strict.DisallowUnknownFields()
	require.NoError(t, strict.Decode(&back))
	assert.Equal(t, s, back)
}

func TestModeIsOctal(t *testing.T) {
	assert.Equal(t, "0640", Mode(0o640).String())
	var m Mode
	assert.Error(t, m.UnmarshalText([]byte("rw-")))
}

// twoSnapshots are half a second apart, with a publisher and a subscriber that stay and a publisher
// whose record gets another owner.
func twoSnapshots() (before, after Snapshot) {
	start := time.Unix(1700000000, 0)
	at := func(taken time.Time, n uint64) Snapshot {
		return Snapshot{
			UUID: "u", Taken: taken, Head: 1000 * n,
			Publishers: []PublisherStatus{
				{Index: 0, Client: 1, Messages: 1000 * n, Bytes: 64000 * n, Since: start},
				{Index: 1, Client: 1, Messages: 5 * n, Since: taken},
			},
			Subscribers: []SubscriberStatus{{Index: 0, Client: 1, Received: 990 * n, Bytes: 100 * n, Since: start}},
			Topics:      []TopicStatus{{Name: "a", Messages: 600 * n, Bytes: 64000 * n}, {Name: "b", Messages: 400 * n}},
		}
	}
	return at(start, 1), at(start.Add(500*time.Millisecond), 2)
}

func TestRates(t *testing.T) {
	before, after := twoSnapshots()
	after.SetRates(before)
	assert.Equal(t, 500*time.Millisecond, after.Interval)
	assert.InDelta(t, 2000, after.MessageRate, 1e-9)
	assert.InDelta(t, 128000, after.ByteRate, 1e-9)
	assert.InDelta(t, 2000, after.PositionRate, 1e-9)
	assert.InDelta(t, 2000, after.Publishers[0].MessageRate, 1e-9)
	assert.InDelta(t, 128000, after.Publishers[0].ByteRate, 1e-9)
	assert.Zero(t, after.Publishers[1].MessageRate, "it has a new owner")
	assert.InDelta(t, 1980, after.Subscribers[0].MessageRate, 1e-9)
	assert.InDelta(t, 200, after.Subscribers[0].ByteRate, 1e-9)
}

func TestRatesWithoutAComparison(t *testing.T) {
	rates := func(change func(before, after *Snapshot)) Snapshot {
		before, after := twoSnapshots()
		change(&before, &after)
		after.SetRates(before)
		return after
	}
	assert.Zero(t, rates(func(b, a *Snapshot) { b.Taken = a.Taken }).MessageRate, "no time passed")
	assert.Zero(t, rates(func(b, a *Snapshot) { b.Taken = a.Taken.Add(1) }).MessageRate, "time went back")
	assert.Zero(t, rates(func(b, a *Snapshot) { b.Head = a.Head + 1 }).PositionRate, "a count went back")
	assert.Zero(t, rates(func(b, a *Snapshot) { b.UUID = "another" }).Subscribers[0].MessageRate, "another bus")
}

func TestBlocker(t *testing.T) {
	at := func(change func(s *Snapshot)) *Blocker {
		s := Snapshot{
			Sizes:      Sizes{Slots: 64},
			Publishers: []PublisherStatus{{Alive: true, Waiting: true}, {Waiting: true}},
			Subscribers: []SubscriberStatus{
				{Index: 3, Client: 2, Pid: 11, Name: "reader", Pattern: "eu.>", Policy: "evict", Gate: "closed", Alive: true, Position: 100, Lag: 64, Stopped: true},
				{Index: 4, Gate: "open", Alive: true, Lag: 64},
				{Index: 5, Gate: "closed", Alive: true, Lag: 63},
			},
		}
		change(&s)
		s.FindBlocker()
		return s.BlockedBy
	}
	reader := &Blocker{Subscriber: 3, Client: 2, Pid: 11, Name: "reader", Pattern: "eu.>", Policy: "evict", Position: 100, Lag: 64, Stopped: true, Waiting: 1}
	assert.Equal(t, reader, at(func(*Snapshot) {}))
	assert.NotNil(t, at(func(s *Snapshot) { s.Publishers = nil }), "publishers that spin or give up are not seen to wait")
	assert.Nil(t, at(func(s *Snapshot) { s.Publishers, s.Subscribers[0].Lag = nil, 63 }), "there is room")
	assert.NotNil(t, at(func(s *Snapshot) { s.Subscribers[0].Lag = 63 }), "but none for a message of several slots")
	assert.Nil(t, at(func(s *Snapshot) { s.Subscribers[0].Lag, s.Subscribers[2].Lag = 31, 31 }), "who waits is about to go on")
	assert.Equal(t, 5, at(func(s *Snapshot) { s.Subscribers[0].Alive = false }).Subscriber, "nobody waits for the dead for long")
}

// The gate of a lossy subscription is open, also where the last owner of its record was cut off.
func TestSnapshotOfARecordThatWasEvicted(t *testing.T) {
	b := newBus(t, WithSlots(8))
	s := subscribe(t, b, ">", Reliable())
	n, err := b.Evict(os.Getpid())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	gate := func() string {
		snap, err := b.Snapshot()
		require.NoError(t, err)
		require.Len(t, snap.Subscribers, 1)
		return snap.Subscribers[0].Gate
	}
	assert.Equal(t, "evicted", gate())
	require.NoError(t, s.Close())
	subscribe(t, b, ">")
	assert.Equal(t, "open", gate())
}
