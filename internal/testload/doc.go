// Package testload is what tests across processes send, check, wait for and measure with: a payload
// that shows what has happened to it, a checker of who sent what in which order, waiting for a
// condition, and a clock that all processes share.
package testload
