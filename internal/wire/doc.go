// Package wire reads and writes msgpack as it is on the wire: the heads of values, the bounds that
// a frame must keep before anybody decodes it, and numbers given as text. Package bus and the
// commands share it.
package wire
