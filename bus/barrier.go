package bus

import (
	"runtime"
	"sync"

	"shmbus/internal/linux"
)

// expedited reports whether the kernel lets this process use barriers across its threads. It
// registers the process, once.
var expedited = sync.OnceValue(linux.RegisterBarrier)

// barrier is a full memory barrier in every goroutine of this process: of two memory operations of
// a goroutine that is running, either the first was visible before barrier returned, or the second
// happens after barrier began. A goroutine that is not running passed a barrier when its thread
// left it.
//
// With it, code that runs often can store and then load without a barrier of its own. The kernel
// interrupts the processors that run this process, for a microsecond or two. If it refuses (old
// kernels, filters, other kernels that speak Linux's system calls), the runtime stops all
// goroutines for an instant, which takes ten times as long.
func barrier() {
	if expedited() && linux.Barrier() {
		return
	}
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms) // stops the world
}
