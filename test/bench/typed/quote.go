package typed

//go:generate go tool msgp -o generated_msgp.go -file generated.go -io=false -tests=false

// Quote is the struct that is carried. Its fields are named on the wire, as is usual with msgpack.
type Quote struct {
	Symbol   string
	Bid, Ask float64
	Size     int64
	Time     int64
	Flags    uint32
}

var symbols = [...]string{"SAP", "SIE", "ALV", "DTE", "AIR", "MUV2", "BAS", "IFX"}

// start is a moment in nanoseconds, so that Time is as long as times are.
const start = 1_700_000_000_000_000_000

// At returns the value with number i.
func At(i uint64) Quote {
	bid := 100 + float64(i%4096)/64
	return Quote{
		Symbol: symbols[i%uint64(len(symbols))],
		Bid:    bid,
		Ask:    bid + 1.0/64,
		Size:   int64(i%1000) * 100,
		Time:   start + int64(i)*1000,
		Flags:  uint32(i * 0x9E3779B1),
	}
}
