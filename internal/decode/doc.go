// Package decode puts msgpack frames into Go values. It does what github.com/vmihailenco/msgpack/v5
// does, whose encoder package bus publishes with, but for what that does silently: a value that
// does not fit its place is an error with a path, and so are bytes after the frame; a frame can
// neither exhaust the stack nor announce more than it holds. Types with a decoder of their own are
// left to it.
package decode
