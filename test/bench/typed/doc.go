// Package typed has contenders that carry a struct: published as one and received as one, encoded
// as msgpack in between.
//
//	typed-shmbus   bus.Publish and bus.Receive
//	typed-nats     encoded and published to a NATS server, in a process of its own (role server)
//	typed-unix     encoded and written to a Unix stream socket, one call per message, with its length in front
//	typed-codec    encoded and decoded in one goroutine and carried nowhere (role both): what the encoding alone costs
//	typed-encoding one value encoded, or decoded, again and again (roles encode and decode): into and out of slots or buffers
//
// With codec=reflect (default) github.com/vmihailenco/msgpack encodes the struct by reflection,
// with codec=generated the struct has encoders that github.com/tinylib/msgp generated. Every field
// of every value that is received is compared with what was sent. The parameter size has no meaning
// here.
package typed
