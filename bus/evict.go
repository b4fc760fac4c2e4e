package bus

// Evict makes publishers stop waiting for the reliable subscriptions of a process, whatever their
// policy, and returns how many subscriptions there were. Each ends with an [EvictedError], as after
// [EvictAfter]. The process stays a client and may subscribe again. The pid is that of
// [ClientStatus], in the pid namespace of the process itself. Evict may be called by any goroutine.
func (b *Bus) Evict(pid int) (int, error) {
	const op = "evict subscribers of"
	if err := b.adopt(); err != nil {
		return 0, b.fail(op, err)
	}
	defer b.unref()
	n, err := b.member.Evict(pid)
	return n, b.fail(op, err)
}
