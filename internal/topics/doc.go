// Package topics maps names of topics to their records in a segment, and patterns of subscribers
// to the topics that match them.
//
// A topic is a name of words that are separated by dots. [Check] says what is wrong with one,
// [Parse] makes a [Pattern] of what a subscriber asks for.
//
// A [Table] is a process's view of the topic records. [Table.Open] creates a topic: it takes a
// record by compare-and-swap, fills it, and marks it ready. A ready record never changes again, so
// what a Table has read stays true. A process that is stopped while it fills a record delays
// nobody: others pass over that record.
//
// An [Interest] is the set of topics that one subscription wants. It matches each topic once, and
// sets the subscriber's bit in the topic's row of interest bits. Publishers read that row to find
// whom to wake. A topic that appears later is found by the version of the table, or by its entry in
// the ring: see section 6, "Topics", of docs/design.md.
//
// A Table may be used by any number of goroutines, an Interest by one at a time.
package topics
