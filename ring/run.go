package ring

import (
	"shmbus/layout"
)

// runBytes bounds how much PublishRun copies before it publishes anything.
const runBytes = 64 << 10

// PublishRun publishes the first of frames, all with the same info but for their sizes, as many as there are slots to fill at
// once. It ends before a frame that has no byte or does not fit a slot. With another status than Done, frame n has filled a slot with left
// bytes, but could not be exchanged. Each frame is looked at once: somebody may change frames meanwhile.
//
// All slots are filled before the first is exchanged: a locked instruction waits for the stores before it.
func (p *Publisher) PublishRun(frames [][]byte, info layout.FrameInfo, tag uint32) (n, left int, st Status) {
	room := uint(p.memory.slotSize) - layout.FrameHeaderSize
	var sizes [maxOwned]uint32
	k, turn := 0, p.turn
	for ; k < len(frames) && uint(k) < p.run; k++ {
		frame := frames[k]
		if uint(len(frame))-1 >= room {
			break
		}
		sizes[k%maxOwned] = uint32(len(frame))
		f := Filling{at: p.memory.slot(p.owned[turn%maxOwned].slot)}
		if Few(len(frame)) {
			f.Head(frame)
			f.Tail(frame)
		} else {
			copyIn(slotPayload(f.at), frame)
		}
		if turn++; turn >= p.count {
			turn = 0
		}
	}
	// The first attempt is made here and not in Exchange: calls would cost a batch a tenth of its throughput.
	for ; n < k; n++ {
		size := sizes[n%maxOwned]
		info := info | layout.FrameInfo(size)
		if a := p.Aim(); p.Good(a) {
			f := p.Filling()
			f.Describe(info)
			p.Announce(f, a)
			if p.Swap(f, a, layout.MakeEntry(0, tag, 0)) {
				p.Settle(f, a)
				if a.EndsLine() {
					p.FetchAhead()
				}
				continue
			}
			p.Lost()
		}
		if st := p.Exchange(info, tag); st != Done {
			return n, int(size), st
		}
	}
	return n, 0, Done
}
