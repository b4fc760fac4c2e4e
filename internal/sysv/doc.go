// Package sysv holds what the packages sysvsem, sysvshm and sysvmsg have in common: keys, the
// commands of every System V interface, the texts of errors, the tables in /proc/sysvipc, and the
// way in which a context ends a system call that waits.
//
// The three packages declare and document their own exported types. This package works for all
// three kinds of objects: an [Object] holds the words that an error text uses for one kind.
package sysv
