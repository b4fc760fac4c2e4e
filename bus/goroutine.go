package bus

// goroutine returns a number that no other goroutine has while the calling one lives: the address
// of the runtime's record of the goroutine, which does not move.
func goroutine() uintptr
