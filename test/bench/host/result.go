package host

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"shmbus/test/bench/worker"
)

// A Result is what a worker says of a run.
type Result struct {
	Role       string
	N          int
	Start, End int64 // CLOCK_MONOTONIC, ns
	CPU        time.Duration
	Bad, Lost  uint64
	Samples    []uint32
	Other      worker.Params
}

// parseResult parses the line "ran n=N start=NS …", without its first word.
func parseResult(rest string) (Result, error) {
	var r Result
	p, err := worker.ParseParams(strings.Fields(rest))
	if err != nil {
		return r, err
	}
	number := func(key string) (n int64) {
		text, ok := p[key]
		if !ok && err == nil {
			err = fmt.Errorf("%s= is missing", key)
		}
		n, e := strconv.ParseInt(text, 10, 64)
		if err == nil && (e != nil || n < 0) {
			err = fmt.Errorf("%s=%s: a number from 0 on is needed", key, text)
		}
		delete(p, key)
		return n
	}
	r.N = int(number("n"))
	r.Start, r.End = number("start"), number("end")
	r.CPU = time.Duration(number("cpu"))
	r.Bad, r.Lost = uint64(number("bad")), uint64(number("lost"))
	if err != nil {
		return r, err
	}
	if r.End < r.Start {
		return r, fmt.Errorf("end=%d is before start=%d", r.End, r.Start)
	}
	if path, ok := p["samples"]; ok {
		if r.Samples, err = worker.ReadSamples(path); err != nil {
			return r, err
		}
		delete(p, "samples")
	}
	r.Other = p
	return r, nil
}
