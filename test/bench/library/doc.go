// Package library has other people's libraries as contenders for the bus, each used as its
// documentation recommends: one call per message, with what batching it does by itself.
//
//	nats          a NATS server in a process of its own (role server, see package natsserver) and its Go client, over loopback TCP
//	zmq4          ZeroMQ in pure Go, over a Unix socket
//	channel       a buffered Go channel between two goroutines of one process (role both), for orientation
//
// Contenders that are registered as skipped say why.
package library
