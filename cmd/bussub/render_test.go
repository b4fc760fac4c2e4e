//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"shmbus/bus"
	"shmbus/cmd/internal/codec"
)

// stamped returns a message that its publisher stamped.
func stamped(t *testing.T, topic string) bus.Message {
	t.Helper()
	home(t)
	b := create(t, "b")
	s, err := b.Subscribe(">")
	require.NoError(t, err)
	defer s.Close()
	p, err := b.Publisher(topic, bus.WithTime())
	require.NoError(t, err)
	defer p.Close()
	require.NoError(t, p.PublishRaw(t.Context(), []byte("\x93\x01\x02\x03")))
	m, err := s.Next(t.Context())
	require.NoError(t, err)
	return m.Clone()
}

func TestMetaWithTime(t *testing.T) {
	m := stamped(t, `a."b\`)
	require.WithinDuration(t, time.Now(), m.Time(), time.Minute)
	stamp := m.Time().UTC().Format(time.RFC3339Nano)

	line, err := renderer{codec.JSON, true, false}.append([]byte("before"), &m)
	require.NoError(t, err)
	require.Equal(t, `before{"topic":"a.\"b\\","position":0,"publisher":0,"time":"`+stamp+`","message":[1,2,3]}`+"\n", string(line))

	line, err = renderer{codec.Text, true, false}.append(nil, &m)
	require.NoError(t, err)
	require.Equal(t, "a.\"b\\\t0\t0\t"+stamp+"\t[1,2,3]\n", string(line))

	object, err := renderer{codec.Msgpack, true, false}.append(nil, &m)
	require.NoError(t, err)
	require.NoError(t, codec.Valid(object))
	var got struct {
		Topic     string    `msgpack:"topic"`
		Position  uint64    `msgpack:"position"`
		Publisher int       `msgpack:"publisher"`
		Time      time.Time `msgpack:"time"`
		Message   []int     `msgpack:"message"`
	}
	require.NoError(t, msgpack.Unmarshal(object, &got))
	require.Equal(t, m.Topic, got.Topic)
	require.True(t, m.Time().Equal(got.Time))
	require.Equal(t, []int{1, 2, 3}, got.Message)
}

func TestMetaNumbers(t *testing.T) {
	for _, n := range []uint64{0, 127, 128, 255, 256, 65535, 65536, 1<<32 - 1, 1 << 32, 1<<64 - 1} {
		m := bus.Message{Topic: "a-topic-that-is-longer-than-31-bytes", Position: n, Publisher: int(n % 4096), Raw: []byte{0xc0}}
		object, err := renderer{codec.Msgpack, true, false}.append(nil, &m)
		require.NoError(t, err)
		var got map[string]any
		require.NoError(t, msgpack.Unmarshal(object, &got))
		require.Len(t, got, 4)
		require.Equal(t, m.Topic, got["topic"])
		require.EqualValues(t, n, got["position"])
		require.EqualValues(t, n%4096, got["publisher"])
		require.Nil(t, got["message"])
	}
}

func TestRenderErrorLeavesTheBuffer(t *testing.T) {
	m := bus.Message{Topic: "x", Raw: []byte{0xc1}}
	for _, f := range []codec.Format{codec.JSON, codec.Text, codec.Raw, codec.Msgpack} {
		for _, meta := range []bool{false, true} {
			out, err := renderer{f, meta, false}.append([]byte("before"), &m)
			require.Error(t, err)
			require.Equal(t, "before", string(out))
		}
	}
}
