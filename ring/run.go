package ring

import "shmbus/layout"

// runBytes bounds how many bytes PublishRun copies before it publishes the first frame.
const runBytes = 64 << 10

// PublishRun publishes a run of frames from the start of frames. A run has at most one frame for
// each slot that the record owns, and at most runBytes of slots. It ends before a frame that is
// empty or does not fit a slot. All frames have the given info, to which PublishRun adds their
// sizes. It returns how many frames it has published. If st is not Done, frame n could not be
// published: its left bytes are in the slot that is published next, and the caller continues with
// [Publisher.Exchange].
//
// All slots are filled before the first is published, because a locked instruction waits for the
// stores before it. The length of each frame is read once, since another goroutine may change
// frames meanwhile.
func (p *Publisher) PublishRun(
	frames [][]byte, info layout.FrameInfo, tag uint32,
) (n, left int, st Status) {
	payload := uint(p.memory.slotSize) - layout.FrameHeaderSize
	var sizes [maxOwned]uint32
	k, turn := 0, p.turn
	for ; k < len(frames) && uint(k) < p.run; k++ {
		frame := frames[k]
		if uint(len(frame))-1 >= payload {
			break
		}
		sizes[k%maxOwned] = uint32(len(frame))
		s := Slot{at: p.memory.slot(p.owned[turn%maxOwned].number)}
		if ByWords(len(frame)) {
			s.PutFront(frame)
			s.PutBack(frame)
		} else {
			copyIn(slotPayload(s.at), frame)
		}
		if turn++; turn >= p.count {
			turn = 0
		}
	}
	// The first attempt is made here and not in Exchange: the calls would cost a batch a tenth of
	// its throughput.
	for ; n < k; n++ {
		size := sizes[n%maxOwned]
		info := info | layout.FrameInfo(size)
		if l := p.Load(); p.Usable(l) {
			s := p.NextSlot()
			s.PutHeader(info)
			p.Announce(s, l)
			if p.CompareAndSwap(s, l, layout.MakeEntry(0, tag, 0)) {
				p.Settle(s, l)
				if l.EndsLine() {
					p.Prefetch()
				}
				continue
			}
			p.LostRace()
		}
		if st := p.Exchange(info, tag); st != Done {
			return n, int(size), st
		}
	}
	return n, 0, Done
}
