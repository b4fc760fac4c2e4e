// Package registry knows buses by their names. A key file in a folder names the System V objects of a bus; it is written
// and replaced under an exclusive lock on it, so that creating, removing and restoring a bus exclude each other, and nobody
// has to wait for a process that died on the way: the kernel releases its lock, and the key file says what it had begun.
//
//	keyfile.go  what a key file says, and its lock
//	folder.go   where key files are looked for
//	trust.go    who may say what becomes of a bus
//	create.go   making a bus, and clearing what a dead creator left
//	open.go     finding a bus and attaching to it
//	present.go  whether a bus is still there
//	remove.go   removing a bus
//	restore.go  writing a key file again that was lost
//	list.go     which buses there are
//	lost.go     buses whose key file is not where it was looked for
package registry
