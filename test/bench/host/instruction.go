package host

import "slices"

// kind is what matters of an amd64 instruction.
type kind struct {
	locked bool // a LOCK prefix, an XCHG with memory, or an MFENCE: it waits for all stores before it
	call   bool // SYSCALL
}

// kindOf decodes as much as is needed of the instruction that b begins with.
func kindOf(b []byte) (k kind) {
	prefixes := []byte{0xF0, 0x66, 0x67, 0xF2, 0xF3, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65}
	for len(b) > 0 && slices.Contains(prefixes, b[0]) {
		k.locked = k.locked || b[0] == 0xF0
		b = b[1:]
	}
	if len(b) > 0 && b[0]&0xF0 == 0x40 { // REX
		b = b[1:]
	}
	if len(b) < 2 {
		return k
	}
	switch memory := b[1] < 0xC0; { // of ModRM, where the opcode has one byte
	case b[0] == 0x86, b[0] == 0x87:
		k.locked = k.locked || memory
	case b[0] == 0x0F && b[1] == 0x05:
		k.call = true
	case b[0] == 0x0F && b[1] == 0xAE && len(b) > 2 && b[2] == 0xF0:
		k.locked = true
	}
	return k
}
