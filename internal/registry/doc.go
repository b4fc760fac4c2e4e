// Package registry finds buses by their names. A key file in a folder names the System V objects of
// a bus. It is written under an exclusive lock on the file itself, so that creating, removing and
// restoring a bus exclude each other. No process waits for one that died in the middle of that: the
// kernel releases the lock of a dead process, and the key file says what the process had begun.
//
//	keyfile.go    the contents of a key file, and finding the key file of a name
//	lock.go       the lock on a key file, and writing it
//	folder.go     the folders of key files
//	trust.go      who may remove or restore a bus, and which folders are trusted
//	create.go     creating a bus
//	leftovers.go  what a dead creator or remover left behind
//	open.go       finding a bus and attaching to it
//	present.go    whether a bus is still there
//	remove.go     removing a bus
//	restore.go    writing a lost key file again
//	list.go       which buses there are
//	lost.go       buses whose key file is missing, or in another folder
//	explain.go    advice in the texts of errors
package registry
