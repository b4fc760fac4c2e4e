// Package registry finds buses by their names. A key file in a folder names the System V objects of
// a bus. It is written under an exclusive lock on the file itself, so that creating, removing and
// restoring a bus exclude each other. No process waits for one that died on the way: the kernel
// releases the lock of the dead, and the key file says what they had begun.
//
//	keyfile.go    what a key file says, and where that of a name is
//	lock.go       the lock on a key file, and writing it
//	folder.go     the folders of key files
//	trust.go      who may say what becomes of a bus
//	create.go     creating a bus
//	leftovers.go  what a dead creator or remover left behind
//	open.go       finding a bus and attaching to it
//	present.go    whether a bus is still there
//	remove.go     removing a bus
//	restore.go    writing a key file again that was lost
//	list.go       which buses there are
//	lost.go       buses whose key file is not where it was looked for
package registry
