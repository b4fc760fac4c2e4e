//go:build linux

// Command scale measures what a bus costs whoever uses it while up to a thousand clients sleep on
// it, spread over tens of processes: a wake-up, a death, joining, a new topic, a look at the bus.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"shmbus/internal/testproc"

	"golang.org/x/sys/unix"
)

func main() {
	testproc.Play(roles)
	clients := flag.String("clients", "1,10,100,300,1000", "numbers of clients that sleep, one row each")
	each := flag.Int("each", 25, "clients of a process")
	rounds := flag.Int("rounds", 2000, "wake-ups that are timed for a row; other things are timed for fewer")
	flag.Parse()
	var sizes []int
	for _, s := range strings.Split(*clients, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || *each < 1 || *rounds < 100 {
			fmt.Fprintln(os.Stderr, "scale: -clients takes numbers from 1 on, -each one from 1 on, -rounds one from 100 on")
			os.Exit(2)
		}
		sizes = append(sizes, n)
	}
	fmt.Printf("%s, %s, %d processors, load before: %s, %s\n\n", time.Now().UTC().Format("2006-01-02 15:04 MST"), processor(), runtime.NumCPU(), load(), runtime.Version())
	fmt.Println(header)
	for _, n := range sizes {
		r, err := measure(context.Background(), n, *each, *rounds)
		if err != nil {
			fmt.Fprintln(os.Stderr, "scale:", err)
			os.Exit(1)
		}
		fmt.Println(r)
	}
}

func processor() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	kernel := "Linux " + unix.ByteSliceToString(u.Release[:])
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model) + ", " + kernel
		}
	}
	return runtime.GOARCH + ", " + kernel
}

func load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
