package typed

// Generated is a [Quote] with encoders of its own.
type Generated struct {
	Symbol   string
	Bid, Ask float64
	Size     int64
	Time     int64
	Flags    uint32
}
