/*
 * Attaching to a bus segment from C11: docs/layout.md as a header, for memory that is mapped
 * already. It is an example and a check of that document, and not a client: it does not use
 * semaphores, topics or sleeping.
 */
#ifndef SHMBUS_H
#define SHMBUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef _Atomic uint64_t word;

struct shmbus_header {
    word     magic;
    uint32_t version, length;
    uint64_t hash;
    uint8_t  uuid[16];
    uint32_t slots, slot_size, owned, publishers, subscribers, clients, topics, max_frame;
    uint64_t segment_size;
    int64_t  created;
    int32_t  sem_id, key;
    uint32_t creator, checksum, unused[6];
    char     name[64], unused2[64];
    word     state, unused3[15];
    word     topic_version, client_high, pub_high, sub_high, unused4[12];
    word     certified, unused5[15];
    word     deaths, posts, evictions, reclaimed, bell_resets, unused6[11];
    word     sleepers[16], gates[16], blocked[64];
};

struct shmbus_publisher {
    word intent, messages, bytes, full, owned[12];
    word wake, unused[15];
    word owner, topic, since, unused2[13];
};

struct shmbus_subscriber {
    word cursor, received, bytes, lost, losses, sleeps, unused[10];
    word wake, posts, unused2[14];
    word owner, gate, policy, patience, matched, since, unused3[10];
    char pattern[128];
};

_Static_assert(offsetof(struct shmbus_header, checksum) == 100, "checksum");
_Static_assert(offsetof(struct shmbus_header, name) == 128, "name");
_Static_assert(offsetof(struct shmbus_header, state) == 256, "state");
_Static_assert(offsetof(struct shmbus_header, topic_version) == 384, "topic_version");
_Static_assert(offsetof(struct shmbus_header, certified) == 512, "certified");
_Static_assert(offsetof(struct shmbus_header, deaths) == 640, "deaths");
_Static_assert(offsetof(struct shmbus_header, sleepers) == 768, "sleepers");
_Static_assert(offsetof(struct shmbus_header, blocked) == 1024, "blocked");
_Static_assert(sizeof(struct shmbus_publisher) == 384, "publisher");
_Static_assert(sizeof(struct shmbus_subscriber) == 512, "subscriber");

enum { SHMBUS_DONE, SHMBUS_EMPTY, SHMBUS_LAPPED, SHMBUS_CORRUPT, SHMBUS_FULL };

struct shmbus {
    struct shmbus_header     *header;
    struct shmbus_publisher  *publishers;
    struct shmbus_subscriber *subscribers;
    word                     *entries;
    unsigned char            *slots;
    uint64_t                  n, slot_size;
    uint32_t                  total, owned;
    unsigned                  shift;
};

static size_t shmbus_align(size_t at, size_t to) { return (at + to - 1) / to * to; }

/* The CRC-32C of the bytes from the version to the state; those of the checksum count as zero. */
static uint32_t shmbus_checksum(const unsigned char *mem)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = offsetof(struct shmbus_header, version); i < offsetof(struct shmbus_header, state); i++) {
        bool own = i / 4 == offsetof(struct shmbus_header, checksum) / 4;
        crc ^= own ? 0 : mem[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

/* Returns NULL, or what is wrong with the segment. */
static const char *shmbus_attach(struct shmbus *b, void *mem, size_t size)
{
    struct shmbus_header *h = mem;
    if (size < 4096) return "too small";
    if (atomic_load_explicit(&h->magic, memory_order_acquire) != 0x00007375626d6873) return "not a bus";
    if (h->version != 2 || h->hash != 0x074b788a58fcd9bc || h->length != 4096) return "another version";
    uint32_t slots = h->slots, slot_size = h->slot_size, owned = h->owned, publishers = h->publishers;
    uint32_t subscribers = h->subscribers, clients = h->clients, topics = h->topics;
    if (slots < 8 || slots > 1 << 19 || (slots & (slots - 1)) || slot_size < 64 || slot_size > 1 << 24 || slot_size % 64 ||
        owned < 2 || owned > 12 || publishers < 1 || publishers > 4096 || subscribers < 64 || subscribers > 1024 ||
        subscribers % 64 || clients < 2 || clients > 8192 || topics < 1 || topics > 1 << 16)
        return "impossible geometry";
    size_t at = 4096 + (size_t)clients * 128, pubs = at, subs, entries, data;
    at += (size_t)publishers * 384;
    subs = at;
    at += (size_t)subscribers * 512 + (size_t)topics * 256;
    at += (size_t)topics * (subscribers / 8);
    entries = at = shmbus_align(at, 128);
    at += (size_t)slots * 8;
    data = at = shmbus_align(at, 4096);
    b->total = slots + publishers * owned;
    at = shmbus_align(at + (size_t)b->total * slot_size, 4096);
    if (at != h->segment_size || at > size) return "wrong size";
    if (shmbus_checksum(mem) != h->checksum) return "changed header";
    if (atomic_load(&h->state) != 1) return "removed";
    b->header = h;
    b->publishers = (struct shmbus_publisher *)((char *)mem + pubs);
    b->subscribers = (struct shmbus_subscriber *)((char *)mem + subs);
    b->entries = (word *)((char *)mem + entries);
    b->slots = (unsigned char *)mem + data;
    b->n = slots;
    b->slot_size = slot_size;
    b->owned = owned;
    for (b->shift = 0; 1u << b->shift != slots; b->shift++) {}
    return NULL;
}

static word *shmbus_slot(const struct shmbus *b, uint32_t s) { return (word *)(b->slots + s * b->slot_size); }
static uint32_t shmbus_lap(const struct shmbus *b, uint64_t p) { return (uint32_t)(p >> b->shift) + 1; }
static word *shmbus_entry(const struct shmbus *b, uint64_t p) { return &b->entries[p & (b->n - 1)]; }

static bool shmbus_filled(const struct shmbus *b, uint64_t p)
{
    uint64_t e = atomic_load_explicit(shmbus_entry(b, p), memory_order_acquire);
    return (int32_t)((uint32_t)(e >> 32) - shmbus_lap(b, p)) >= 0;
}

/* The position that the next publish gets; p is not above it. */
static uint64_t shmbus_head(const struct shmbus *b, uint64_t p)
{
    if (!shmbus_filled(b, p)) return p;
    uint64_t lo = p, step = 1;
    while (shmbus_filled(b, lo + step)) {
        lo += step;
        step *= 2;
    }
    uint64_t hi = lo + step;
    while (hi - lo > 1) {
        uint64_t mid = lo + (hi - lo) / 2;
        if (shmbus_filled(b, mid)) lo = mid;
        else hi = mid;
    }
    return hi;
}

/* Reads position c into buf, which has room for a slot. */
static int shmbus_read(const struct shmbus *b, uint64_t c, uint64_t *info, void *buf, size_t *size)
{
    size_t room = b->slot_size - 16;
    uint64_t e = atomic_load_explicit(shmbus_entry(b, c), memory_order_acquire);
    int32_t ahead = (int32_t)((uint32_t)(e >> 32) - shmbus_lap(b, c));
    if (ahead < 0) return SHMBUS_EMPTY;
    if (ahead > 0) return SHMBUS_LAPPED;
    uint32_t s = e & 0xfffff;
    if (s >= b->total) return SHMBUS_CORRUPT;
    word *slot = shmbus_slot(b, s);
    *info = atomic_load_explicit(&slot[1], memory_order_relaxed);
    *size = *info & 0xffffff;
    if (*size > room) *size = room;
    memcpy(buf, (const void *)(slot + 2), *size);
    uint64_t position = atomic_load_explicit(&slot[0], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(shmbus_entry(b, c), memory_order_relaxed) != e) return SHMBUS_LAPPED;
    if (position != c || (*info & 0xffffff) > room) return SHMBUS_CORRUPT;
    return SHMBUS_DONE;
}

/* How far a publisher whose next position is at most p may go. */
static uint64_t shmbus_limit(const struct shmbus *b, uint64_t p)
{
    uint64_t seen = shmbus_head(b, p), low = seen;
    for (unsigned s = 0; s < b->header->subscribers; s++) {
        if (!(atomic_load(&b->header->gates[s / 64]) >> s % 64 & 1)) continue;
        if ((uint32_t)atomic_load(&b->subscribers[s].gate) != 1) continue;
        uint64_t w = atomic_load(&b->subscribers[s].wake);
        uint64_t c = atomic_load(&b->subscribers[s].cursor);
        if ((w & 3) != 0 && w >> 18 != (1ull << 46) - 1) {
            uint64_t x = seen + (uint64_t)((int64_t)((w >> 18) - seen) << 18 >> 18);
            if (x > c) c = x;
        }
        if (c < low) low = c;
    }
    return seen + b->n / 2 < low + b->n ? seen + b->n / 2 : low + b->n;
}

/* Makes publishers wait for subscriber record s, which the caller owns. Nothing at or above the
   returned position is displaced before the cursor has passed it. p is not above the head. */
static uint64_t shmbus_join(const struct shmbus *b, unsigned s, uint64_t p)
{
    p = shmbus_head(b, p);
    atomic_store(&b->subscribers[s].cursor, p);
    uint64_t gate = atomic_load(&b->subscribers[s].gate);
    while (!atomic_compare_exchange_weak(&b->subscribers[s].gate, &gate, ((gate >> 32) + 1) << 32 | 1)) {}
    atomic_fetch_or(&b->header->gates[s / 64], 1ull << s % 64);
    /* An acquire load may be LDAPR, which is satisfied before the stores above are seen. */
    atomic_thread_fence(memory_order_seq_cst);
    p = shmbus_head(b, p);
    atomic_store_explicit(&b->subscribers[s].cursor, p, memory_order_release);
    return p;
}

/* Releases what is below next, once it has been read. */
static void shmbus_release(const struct shmbus *b, unsigned s, uint64_t next)
{
    atomic_store_explicit(&b->subscribers[s].cursor, next, memory_order_release);
}

/* The payload of the slot that pair k of record r owns, NULL while that is not settled. */
static void *shmbus_payload(const struct shmbus *b, unsigned r, unsigned k)
{
    uint64_t pair = atomic_load_explicit(&b->publishers[r].owned[k], memory_order_relaxed);
    if ((uint32_t)pair != pair >> 32 || (uint32_t)pair >= b->total) return NULL;
    return (void *)(shmbus_slot(b, (uint32_t)pair) + 2);
}

/* Publishes the slot of pair k of record r below limit. *next is a position that is not above the head. */
static int shmbus_publish(const struct shmbus *b, unsigned r, unsigned k, uint64_t info, uint32_t tag, uint64_t *next, uint64_t limit)
{
    word *pair = &b->publishers[r].owned[k];
    uint32_t s = (uint32_t)atomic_load_explicit(pair, memory_order_relaxed);
    word *slot = shmbus_slot(b, s);
    atomic_store_explicit(&slot[1], info, memory_order_relaxed);
    for (;; ++*next) {
        *next = shmbus_head(b, *next);
        if (*next >= limit) {
            atomic_store_explicit(pair, (uint64_t)s << 32 | s, memory_order_release);
            return SHMBUS_FULL;
        }
        uint32_t lap = shmbus_lap(b, *next);
        uint64_t w = atomic_load_explicit(shmbus_entry(b, *next), memory_order_acquire);
        if ((uint32_t)(w >> 32) != (uint32_t)(lap - 1)) continue;
        uint32_t old = w & 0xfffff;
        if (old >= b->total) return SHMBUS_CORRUPT;
        atomic_store_explicit(&slot[0], *next, memory_order_relaxed);
        atomic_store_explicit(&b->publishers[r].intent, *next + 1, memory_order_relaxed);
        atomic_store_explicit(pair, (uint64_t)old << 32 | s, memory_order_relaxed);
        if (atomic_compare_exchange_strong(shmbus_entry(b, *next), &w, (uint64_t)lap << 32 | (uint64_t)(tag & 0xfff) << 20 | s)) {
            atomic_thread_fence(memory_order_seq_cst);
            atomic_store_explicit(pair, (uint64_t)old << 32 | old, memory_order_relaxed);
            ++*next;
            return SHMBUS_DONE;
        }
    }
}

#endif
