package main

const statusJSONHelp = `With --json: an object, the Snapshot of package bus, with
  name, uuid, state       state is "live" or "removed"
  path                    of the key file
  key, shm_id, sem_id     System V key, identifiers of segment and semaphore set
  uid, gid, mode          who may use it: owner, group, permission bits in octal
  created, taken          times (RFC 3339)
  sizes         {slots, slot_size, owned_slots, publishers, subscribers, clients, topics, max_frame,
                segment}    segment: bytes in all
  head, oldest            position of the next message, and of the oldest one held
  fill                    part of the ring that holds messages, 0 to 1
  backlog                 part of the ring that the slowest reliable subscriber has yet to read, 0 to 1
  certified               no sleeper is owed a wake-up below this position
  deaths, reclaimed, evictions, posts, bell_resets    counts since creation
  interval_ns             time over which the rates were measured
  message_rate, byte_rate, position_rate    per second, whole bus; a message takes one position or more
  blocked_by    the subscription that blocks publishers, or null:
                {subscriber, client, pid, name, pattern, policy, position, lag, stopped, waiting}
  clients       [{index, pid, name, since, alive, daemon, stopped}]
  publishers    [{index, client, pid, name, topic, position, messages, bytes, full, waiting, alive,
                  stopped, since, message_rate, byte_rate}]
  subscribers   [{index, client, pid, name, pattern, policy, gate, position, lag, received, bytes,
                  lost, losses, sleeps, posts, asleep, alive, stopped, since, message_rate,
                  byte_rate}]    lag and lost in positions
  topics        as busd topics --json prints them
Fields may be added, but are never renamed.`
