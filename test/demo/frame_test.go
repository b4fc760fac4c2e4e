//go:build linux

package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
)

var escape = regexp.MustCompile("\x1b\\[[0-9]+m")

// full is a view of a machine with many topics, at a moment at which much has happened.
func full(topics int) view {
	g, _ := bus.NewSizes()
	g.Segment = 1 << 21
	v := view{
		elapsed: 7 * time.Second, duration: 12 * time.Second,
		bus:       bus.Snapshot{Name: "demo", Sizes: g, Backlog: 0.4, Deaths: 2},
		processes: 13, busd: 4194304, rate: 123456, byteRate: 9.9e6, post: 50000,
		fileLines: 20999, fileReceived: 10000,
	}
	for i := range topics {
		v.topics = append(v.topics, topicRow{name: fmt.Sprintf("host.some.thing.with.a.long.name.%02d", i), pids: []int{4194304}, rate: 1e7})
	}
	for i, name := range []string{"recorder", "watcher", "slow", "sleeper", "bussub"} {
		v.subscribers = append(v.subscribers, subscriberRow{
			name: name, pattern: "a.very.long.pattern.>", policy: "lossy", pid: 4194304, rate: 1e7, lag: 123456789, lost: 123456789,
			state: state(i), measured: true, p50: 999 * time.Microsecond, p99: 10 * time.Second, max: time.Hour,
		})
	}
	for range 20 {
		v.events = append(v.events, event{time.Hour, bad, strings.Repeat("something happened ", 10)})
	}
	return v
}

func TestFrameFits(t *testing.T) {
	for w := 1; w < 200; w += 7 {
		for h := 1; h < 60; h += 2 {
			for _, topics := range []int{0, 1, 14, 100} {
				lines := frame(full(topics), w, h, look{color: true})
				require.LessOrEqual(t, len(lines), h, "%dx%d, %d topics", w, h, topics)
				for _, l := range lines {
					if n := utf8.RuneCountInString(escape.ReplaceAllString(l, "")); n >= max(w, 2) {
						require.Fail(t, "too wide", "%dx%d: %d cells: %q", w, h, n, l)
					}
				}
			}
		}
	}
}

func TestFrameLook(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {40, 12}} {
		text := strings.Join(frame(full(14), size[0], size[1], look{}), "\n")
		require.NotContains(t, text, "\x1b")
		require.Contains(t, text, "█")
		ascii := strings.Join(frame(full(14), size[0], size[1], look{ascii: true}), "\n")
		for _, r := range ascii {
			require.Less(t, r, rune(128), "%q", r)
		}
	}
}

// At 80 by 24 everything has its place.
func TestFrameHasEverything(t *testing.T) {
	v := full(14)
	lines := frame(v, 80, 24, look{})
	require.Len(t, lines, 24)
	text := strings.Join(lines, "\n")
	for _, want := range []string{"bus demo", "busd  ● 4194304", "deaths 2", "backlog  40%", "TOPIC", "SUBSCRIBER", "sleeper", "file ", "something happened"} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "more")
	require.Equal(t, 14, strings.Count(text, "host.some."))
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ns", 850: "850ns", 999: "999ns", 1000: "1.0µs", 12345: "12µs", 999_499: "999µs", 999_500: "1.0ms",
		1_234_000: "1.2ms", 120 * time.Millisecond: "120ms", 12 * time.Second: "12s",
	} {
		require.Equal(t, want, short(d))
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1.23M", 999_900_000: "1.00G"} {
		require.Equal(t, want, count(n))
	}
	require.Equal(t, "18,446,744,073,709,551,615", exact(1<<64-1))
}
