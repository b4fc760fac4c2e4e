//go:build linux

package main

import (
	"context"
	words "encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testproc"
	"shmbus/layout"
	"shmbus/sysvshm"
)

// TestDoctorFindsDamage: each kind of damage that stays is named, and ends doctor with exit code 1.
func TestDoctorFindsDamage(t *testing.T) {
	type segment struct {
		layout.Map
		mem []byte
	}
	load := func(s segment, at int) uint64 { return words.LittleEndian.Uint64(s.mem[at:]) }
	store := func(s segment, at int, v uint64) { words.LittleEndian.PutUint64(s.mem[at:], v) }
	set := func(at func(s segment) int, v uint64) func(segment) {
		return func(s segment) { store(s, at(s), v) }
	}
	header := func(at int) func(segment) int { return func(segment) int { return at } }
	pub := func(p, field int) func(segment) int {
		return func(s segment) int { return s.Publishers.At(p) + field }
	}
	sub := func(n, field int) func(segment) int {
		return func(s segment) int { return s.Subscribers.At(n) + field }
	}
	topic := func(n, field int) func(segment) int {
		return func(s segment) int { return s.Topics.At(n) + field }
	}
	slot := func(s segment, entry int) int {
		return s.Slots.At(int(layout.Entry(load(s, s.Entries.At(entry))).Slot()))
	}
	for _, tt := range []struct {
		name, says string
		damage     func(segment)
	}{
		{"checksum", "the header of its segment is damaged", func(s segment) { s.mem[layout.HeaderChecksum]++ }},
		{"name in the header", "checksum", func(s segment) { s.mem[layout.HeaderName]++ }},
		{"geometry", "geometry needs", func(s segment) { s.mem[layout.HeaderTopics]++; s.mem[layout.HeaderTopics+1]++ }},
		{"reserved word", "nobody uses", set(header(layout.HeaderReservedEnd+8), 1)},
		{"high-water mark", "publishers have ever been in use", set(header(layout.HeaderPubHigh), 5)},
		{"high-water mark too low", "the high-water mark is 0", set(header(layout.HeaderSubHigh), 0)},
		{"certified", "sleepers are certified up to", set(header(layout.HeaderCertified), 1000)},
		{"bit of a sleeper there is not", "the sleepers have a bit", set(header(layout.HeaderSleepers+layout.MaxSubscribers/8-8), 1)},
		{"bit of a publisher there is not", "number 4, of 4", set(header(layout.HeaderBlocked), 1<<4)},
		{"bit of a sleeper that nobody owns", "subscriber 9: nobody owns it", set(header(layout.HeaderSleepers), 1<<9)},
		{"gate that nobody owns", "subscriber 9: nobody owns it", set(sub(9, layout.SubGate), layout.GateClosed)},
		{"blocked publisher that nobody owns", "publisher 3: nobody owns it", set(header(layout.HeaderBlocked), 1<<3)},
		{"state of a client", "client 5: its state is 7", func(s segment) { store(s, s.Clients.At(5), 7) }},
		{"owner of a publisher", "publisher 2: its owner is client 9999", set(pub(2, layout.PubOwner), uint64(layout.MakeOwner(9999, 1, layout.OwnerHeld)))},
		{"generation of an owner", "generation 77 of client 0", set(sub(4, layout.SubOwner), uint64(layout.MakeOwner(0, 77, layout.OwnerHeld)))},
		{"state of an owner", "the state of its owner word is 5", set(sub(4, layout.SubOwner), uint64(layout.MakeOwner(0, 1, 5)))},
		{"topic of a publisher", "its topic is number 11", set(pub(0, layout.PubTopic), 12)},
		{"intent", "about to publish position 999", set(pub(0, layout.PubIntent), 1000)},
		{"pair", "its pair 1 names slots 5000", set(pub(1, layout.PubOwned+8), uint64(layout.Settled(5000)))},
		{"half a pair", "its pair 0 names slots", func(s segment) { store(s, pub(1, layout.PubOwned)(s), load(s, pub(1, layout.PubOwned)(s))|1<<40) }},
		{"cursor", "it reads position 5000 next", set(sub(0, layout.SubCursor), 5000)},
		{"policy", "its policy is 4", set(sub(0, layout.SubPolicy), 4)},
		{"state of a gate", "the state of its gate is 9", set(sub(0, layout.SubGate), 9)},
		{"bit of a gate", "its gate is closed, but its bit", set(header(layout.HeaderGates), 0)},
		{"sleeper without its bit", "it sleeps, but its bit", set(sub(0, layout.SubWake), uint64(layout.MakeWake(3, 1, layout.Asleep)))},
		{"sleeper in the future", "it sleeps at position 4000", func(s segment) {
			store(s, layout.HeaderSleepers, 1)
			store(s, sub(0, layout.SubWake)(s), uint64(layout.MakeWake(4000, 1, layout.Asleep)))
		}},
		{"name of a topic", "topic 0: its name", func(s segment) { s.mem[topic(0, layout.TopicName)(s)] = '\n' }},
		{"hash of a topic", "topic 0: its name", set(topic(0, layout.TopicHashWord), 1)},
		{"length of a topic", "its name has 201 bytes", set(topic(0, layout.TopicLength), 201)},
		{"owner of a topic", "topic 0: its owner is client", set(topic(0, layout.TopicOwner), uint64(layout.MakeOwner(5000, 1, layout.OwnerReady)))},
		{"topic behind a gap", "the record before it is free", set(topic(5, layout.TopicOwner), uint64(layout.MakeOwner(0, 1, layout.OwnerReady)))},
		{"interest in no topic", "wants it, and there is no such topic", func(s segment) { store(s, s.Interest.At(7), 1) }},
		{"lap ahead", "entry 20: it has lap", func(s segment) { store(s, s.Entries.At(20), load(s, s.Entries.At(20))+5<<32) }},
		{"lap behind", "entry 3: it has lap 0", func(s segment) { store(s, s.Entries.At(3), load(s, s.Entries.At(3))&(1<<32-1)) }},
		{"slot there is not", "it names slot 1048575", func(s segment) { store(s, s.Entries.At(3), load(s, s.Entries.At(3))|(1<<20-1)) }},
		{"slot in two entries", "holds slot", func(s segment) {
			w := load(s, s.Entries.At(60))
			store(s, s.Entries.At(60), w&^(1<<20-1)|load(s, s.Entries.At(61))&(1<<20-1))
		}},
		{"slot in an entry and a pair", "holds slot", set(pub(1, layout.PubOwned), uint64(layout.Settled(60)))},
		{"position in a slot", "holds position", func(s segment) { store(s, slot(s, 3), 1<<60|3) }},
		{"size in a slot", "bytes, in 112", func(s segment) { store(s, slot(s, 3)+8, load(s, slot(s, 3)+8)|1<<20) }},
		{"publisher in a slot", "its message is of publisher", func(s segment) { store(s, slot(s, 3)+8, load(s, slot(s, 3)+8)|1<<40) }},
		{"topic in a slot", "its message is of topic", func(s segment) { store(s, slot(s, 3)+8, load(s, slot(s, 3)+8)|1<<60) }},
		{"flags in a slot", "has flags", func(s segment) { store(s, slot(s, 3)+8, load(s, slot(s, 3)+8)|1<<31) }},
		{"tag of an entry", "it has tag", func(s segment) { store(s, s.Entries.At(3), load(s, s.Entries.At(3))^1<<25) }},
		{"frame of a fragment", "it is a fragment of", func(s segment) {
			store(s, slot(s, 3)+8, load(s, slot(s, 3)+8)&^(layout.FlagLast<<24))
			store(s, slot(s, 3)+16, 1<<31)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testproc.Folder(t)
			b := makeBus(t, "prices")
			r, err := b.Subscribe("a.>", bus.Reliable())
			require.NoError(t, err)
			defer r.Close()
			p, err := b.Publisher("a.b")
			require.NoError(t, err)
			defer p.Close()
			for range 10 {
				require.NoError(t, p.PublishRaw(t.Context(), []byte("\xa9some text")))
				_, err := r.Next(t.Context())
				require.NoError(t, err)
			}
			found, code := diagnose(t)
			require.Empty(t, found)
			require.Zero(t, code)

			mem, err := sysvshm.FromID(b.ShmID()).Attach(sysvshm.ReadWrite)
			require.NoError(t, err)
			_, m, err := layout.DecodeHeader(mem.Bytes(), len(mem.Bytes()))
			require.NoError(t, err)
			tt.damage(segment{m, mem.Bytes()})
			require.NoError(t, mem.Detach())

			found, code = diagnose(t)
			require.Equal(t, 1, code)
			require.Equal(t, problem, found["damage"].Severity, "%v", found)
			require.Contains(t, found["damage"].Text, tt.says)
			require.NotEmpty(t, found["damage"].Advice)
			require.False(t, found["damage"].Fixable, "in use")
		})
	}
}

// TestDoctorFixesDamagedHeader: a bus that nobody can open any more, nor uses, is removed.
func TestDoctorFixesDamagedHeader(t *testing.T) {
	dir := testproc.Folder(t)
	b := makeBus(t, "prices")
	mem, err := sysvshm.FromID(b.ShmID()).Attach(sysvshm.ReadWrite)
	require.NoError(t, err)
	mem.Bytes()[layout.HeaderMaxFrame] ^= 1
	require.NoError(t, mem.Detach())
	require.NoError(t, b.Close())
	found, code := diagnose(t, "--fix")
	require.Zero(t, code)
	require.True(t, found["damage"].Fixed)
	require.NoFileExists(t, filepath.Join(dir, "prices.shmbus"))
	_, err = sysvshm.FromID(b.ShmID()).Stat()
	require.Error(t, err)
}

// traffic is what a process does that TestDoctorOnBusyBus kills.
func traffic(c *testproc.Child) {
	b, err := bus.Open("prices")
	c.Check(err)
	for i := range 3 {
		go func() {
			p, err := b.Publisher(fmt.Sprintf("a.b%d", i))
			if err != nil {
				return
			}
			frame := []byte(strings.Repeat("x", 90*(1+i*2)))
			for p.PublishRaw(context.Background(), frame) == nil {
				if i > 0 {
					time.Sleep(50 * time.Microsecond)
				}
			}
		}()
	}
	for _, opts := range [][]bus.SubscribeOption{{bus.Reliable()}, {bus.Wait(bus.Block)}} {
		go func() {
			s, err := b.Subscribe("a.>", opts...)
			if err != nil {
				return
			}
			for range s.All(context.Background()) {
			}
		}()
	}
	for {
		s, err := b.Subscribe("a.b2", bus.Reliable())
		if err == nil {
			_, _ = s.Next(context.Background())
			_ = s.Close()
		}
	}
}

// TestDoctorOnBusyBus: on a healthy bus under full traffic, whose processes are killed all the
// time, doctor finds no damage.
func TestDoctorOnBusyBus(t *testing.T) {
	testproc.Folder(t)
	b := makeBus(t, "prices", bus.WithPublishers(32), bus.WithSlots(256), bus.WithOwnedSlots(3))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go b.WatchDeaths(ctx, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			one, two := testproc.Run(t, "traffic", nil), testproc.Run(t, "traffic", nil)
			time.Sleep(150 * time.Millisecond)
			one.Kill()
			two.Kill()
		}
	}()
	o, err := bus.Observe("prices")
	require.NoError(t, err)
	defer o.Close()
	d := newDoctorFor(t.Context(), nil)
	info := bus.Entry{Name: "prices", Path: filepath.Join(os.Getenv("SHMBUS_DIR"), "prices.shmbus"), ShmID: b.ShmID(), SemID: b.SemID()}
	until := time.Now().Add(4 * time.Second)
	for time.Now().Before(until) {
		d.findings = nil
		d.checkDamage(info)
		require.Empty(t, d.findings)
	}
	s, err := o.Snapshot()
	require.NoError(t, err)
	require.NotZero(t, s.Head)
	require.NotZero(t, s.Deaths)
	stop()
	<-done
}
