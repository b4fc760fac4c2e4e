// Command genlines writes JSON lines of mixed sizes, from 20 bytes to 200 kB: most are small, a few
// hundred of a million are larger than any slot. The same arguments give the same lines.
//
//	genlines COUNT [SEED [SOURCE]]
//
// Each line carries SOURCE and a number that counts up, so that the order of a source's lines can
// be checked after they were mixed with those of others.
package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
)

func main() {
	count, seed, source := 1000, 1, "a"
	for i, arg := range os.Args[1:] {
		var err error
		switch i {
		case 0:
			count, err = strconv.Atoi(arg)
		case 1:
			seed, err = strconv.Atoi(arg)
		case 2:
			source = arg
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "usage: genlines COUNT [SEED [SOURCE]]")
			os.Exit(2)
		}
	}
	rnd := rand.New(rand.NewPCG(uint64(seed), 0))
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	text := make([]byte, 200_000)
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyz 0123456789"[rnd.IntN(37)]
	}
	for i := range count {
		fill := 0
		switch r := rnd.IntN(100_000); {
		case r < 50_000: // the shortest
		case r < 90_000:
			fill = rnd.IntN(100)
		case r < 99_900:
			fill = rnd.IntN(1000)
		case r < 99_990:
			fill = rnd.IntN(20_000)
		default:
			fill = rnd.IntN(199_900)
		}
		start := rnd.IntN(len(text) - fill)
		switch rnd.IntN(4) {
		case 0:
			fmt.Fprintf(out, `{"source":"%s","i":%d,"t":"%s"}`+"\n", source, i, text[start:start+fill])
		case 1:
			fmt.Fprintf(out, `{"source":"%s","i":%d,"v":[%d,%v,true,null],"t":"%s"}`+"\n", source, i, rnd.Int64(), float64(rnd.IntN(1e6))/64+0.5, text[start:start+fill])
		case 2:
			fmt.Fprintf(out, `{"source":"%s","i":%d,"o":{"ü":"日本 \"quoted\" \\","n":{"a":[]}},"t":"%s"}`+"\n", source, i, text[start:start+fill])
		default:
			fmt.Fprintf(out, `{"source":"%s","i":%d}`+"\n", source, i)
		}
	}
}
