// Package kernel has what Linux itself offers to carry messages between processes, as contenders
// for the bus, each as fast as a Go program can use it:
//
//	pipe, fifo                          byte streams through a pipe
//	unix, socketpair                    byte streams through a stream socket
//	seqpacket                           packets through a sequenced-packet socket
//	posixmq, sysvmsg                    message queues
//	signal                              a real-time signal with a number; round trips only
//	ringfile                            the bus's own exchange ring in a mapped file, without the bus around it
//
// A message is written with one call. Of byte streams the receiver reads as much as there is, up to
// 64 KiB or one message, and pauses for a moment (gather=) when that is little; packets and queues
// give one message a call.
//
// All use blocking descriptors by plain system calls: Go's poller adds a second system call, and a
// change of goroutine, to every read that has to wait. With wait=spin descriptors do not block, and
// calls are repeated until they succeed.
package kernel
