//go:build linux

// Package misuse tests that nothing which a program does with package bus, short of
// [bus.Exclusive], harms the bus or other processes.
//
// Some processes of sixteen are innocent: they publish numbered messages, and receive all of them,
// reliably. The others do at random what programs do by mistake: each public call from several
// goroutines at once, in wrong orders, after Close, from within callbacks; with values whose
// encoders panic or leave their goroutine, with contexts that are nil or have ended, with slices
// that are kept, written to, appended to and changed while they are published. Some of them are
// killed meanwhile. Afterwards every slot is in exactly one place, nothing in the segment is
// damaged, every record is free, and the innocent have lost nothing.
package misuse
