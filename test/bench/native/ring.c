// The yardstick: the fastest ring that one writer and one reader in two processes are known to need, in C. It can do nothing else:
// one writer, one reader, both trusted and alive, nobody sleeps, nothing is found out about the dead.
//
// Roles send and recv, ping and pong. Parameters: size; slots (4096); mark says how the reader learns of a message:
//
//   mark=slot   by the sequence number in the slot's own header: one cache line moves for a message that fits beside it (default)
//   mark=head   by the writer's head index; with batch=K the writer stores it once per K messages
//   head=0      mark=head without any header: size 64 takes exactly one cache line
//
// A slot is a header {size, sequence} of 16 bytes and the message, rounded up to whole cache lines.
//
// build: -march=native
#include "worker.h"

#define FAR _Alignas(128) // the neighbouring line is fetched along, so that 64 would not keep two words apart

struct indices {
    FAR uint64_t head; // next position to be written; by the writer
    FAR uint64_t tail; // next position to be read; by the reader, once per batch
    FAR char slots[];
};

// One direction, as either side sees it.
static struct side {
    struct indices *ring;
    uint64_t next;   // this side's position
    uint64_t cached; // what is known of the other side's
    uint64_t mask;
    size_t stride;
    size_t size;
    unsigned char *buf;
} out, in;

static uint64_t batch = 1;

#define ACQUIRE(p) __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define RELEASE(p, v) __atomic_store_n(&(p), v, __ATOMIC_RELEASE)

struct header {
    uint64_t size;
    uint64_t seq; // position + 1
};

static struct side open_side(const char *name) {
    struct side s = {};
    long slots = param_int("slots", 4096);
    if (slots < 8 || slots & (slots - 1)) die("slots=%ld: a power of two from 8 on is needed", slots);
    s.size = param_size();
    int header = param_int("head", 1) ? sizeof(struct header) : 0;
    if (!header && s.size % 64) die("head=0: a size of whole cache lines is needed");
    s.stride = (s.size + header + 63) / 64 * 64;
    s.mask = slots - 1;
    s.ring = (struct indices *)share(name, sizeof *s.ring + slots * s.stride);
    s.buf = payload_new(s.size);
    return s;
}

typedef uint64_t pair __attribute__((vector_size(16), aligned(8), may_alias));
typedef uint64_t quad __attribute__((vector_size(32), aligned(8), may_alias));

// copy moves a message, a small one in pieces no wider than the stores that stamped it: a wider load would have to wait until they
// have left the processor's store queue, which halves the throughput.
ALWAYS_INLINE void copy(void *to, const void *from, size_t n) {
    if (!__builtin_constant_p(n)) {
        memcpy(to, from, n);
    } else if (n == 64) {
        ((quad *)to)[0] = ((const quad *)from)[0];
        ((quad *)to)[1] = ((const quad *)from)[1];
    } else {
#pragma GCC unroll 16
        for (size_t i = 0; i < n / 16; i++) ((pair *)to)[i] = ((const pair *)from)[i];
    }
}

ALWAYS_INLINE void put_slot(struct side *s, size_t size) {
    uint64_t p = s->next;
    if (__builtin_expect(p - s->cached > s->mask, 0))
        while (p - (s->cached = ACQUIRE(s->ring->tail)) > s->mask) pause_cpu();
    struct header *h = (struct header *)(s->ring->slots + (p & s->mask) * s->stride);
    copy(h + 1, s->buf, size);
    h->size = size;
    RELEASE(h->seq, p + 1);
    s->next = p + 1;
}

ALWAYS_INLINE void take_slot(struct side *s, size_t size) {
    uint64_t p = s->next;
    struct header *h = (struct header *)(s->ring->slots + (p & s->mask) * s->stride);
    if (__builtin_expect(ACQUIRE(h->seq) != p + 1, 0)) {
        RELEASE(s->ring->tail, p); // all that was there is read
        while (ACQUIRE(h->seq) != p + 1) pause_cpu();
    }
    copy(s->buf, h + 1, size);
    opaque(s->buf);
    s->next = p + 1;
    if ((s->next & (s->mask / 8)) == 0) RELEASE(s->ring->tail, s->next);
}

ALWAYS_INLINE void put_head(struct side *s, size_t size, size_t header) {
    uint64_t p = s->next;
    if (__builtin_expect(p - s->cached > s->mask, 0)) {
        RELEASE(s->ring->head, p);
        while (p - (s->cached = ACQUIRE(s->ring->tail)) > s->mask) pause_cpu();
    }
    char *slot = s->ring->slots + (p & s->mask) * s->stride;
    if (header) {
        struct header *h = (struct header *)slot;
        h->size = size;
        h->seq = p + 1;
    }
    copy(slot + header, s->buf, size);
    s->next = p + 1;
}

ALWAYS_INLINE void take_head(struct side *s, size_t size, size_t header) {
    uint64_t p = s->next;
    if (__builtin_expect(p == s->cached, 0)) {
        RELEASE(s->ring->tail, p);
        while ((s->cached = ACQUIRE(s->ring->head)) == p) pause_cpu();
    }
    const char *slot = s->ring->slots + (p & s->mask) * s->stride;
    copy(s->buf, slot + header, size);
    opaque(s->buf);
    s->next = p + 1;
    if ((s->next & (s->mask / 8)) == 0) RELEASE(s->ring->tail, s->next);
}

ALWAYS_INLINE void send_slot(uint64_t n, size_t size) {
    for (uint64_t i = 0; i < n; i++) {
        stamp(out.buf, size, out.next);
        opaque(out.buf);
        put_slot(&out, size);
    }
}

ALWAYS_INLINE void send_head(uint64_t n, size_t size, size_t header) {
    for (uint64_t i = 0; i < n;) {
        uint64_t end = i + batch < n ? i + batch : n;
        for (; i < end; i++) {
            stamp(out.buf, size, out.next);
            opaque(out.buf);
            put_head(&out, size, header);
        }
        RELEASE(out.ring->head, out.next);
    }
}

ALWAYS_INLINE uint64_t recv_slot(uint64_t n, size_t size) {
    uint64_t bad = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t number = in.next;
        take_slot(&in, size);
        bad += !check(in.buf, size, number);
    }
    RELEASE(in.ring->tail, in.next);
    return bad;
}

ALWAYS_INLINE uint64_t recv_head(uint64_t n, size_t size, size_t header) {
    uint64_t bad = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t number = in.next;
        take_head(&in, size, header);
        bad += !check(in.buf, size, number);
    }
    RELEASE(in.ring->tail, in.next);
    return bad;
}

// Each small size has a loop of its own, in which copies are a few moves.
#define BY_SIZE(size, CALL) \
    switch (size) { \
    case 16: CALL(16); break; \
    case 48: CALL(48); break; \
    case 64: CALL(64); break; \
    case 256: CALL(256); break; \
    default: CALL(size); \
    }

static enum { SLOT, HEAD, BARE } mark;

static void setup(void) {
    const char *m = param("mark", "slot");
    batch = param_int("batch", 1);
    mark = !param_int("head", 1) ? BARE : !strcmp(m, "head") || batch > 1 ? HEAD : SLOT;
    if (batch < 1) die("batch=%ld: a number from 1 on is needed", (long)batch);
}

static void send_setup(void) {
    setup();
    out = open_side("ring");
}

static void recv_setup(void) {
    setup();
    in = open_side("ring");
}

static void send_run(uint64_t n, struct report *r) {
    (void)r;
#define SEND_SLOT(S) send_slot(n, S)
#define SEND_HEAD(S) send_head(n, S, sizeof(struct header))
    if (mark == SLOT) BY_SIZE(out.size, SEND_SLOT)
    else if (mark == HEAD) BY_SIZE(out.size, SEND_HEAD)
    else if (out.size == 64) send_head(n, 64, 0);
    else send_head(n, out.size, 0);
}

static void recv_run(uint64_t n, struct report *r) {
#define RECV_SLOT(S) r->bad = recv_slot(n, S)
#define RECV_HEAD(S) r->bad = recv_head(n, S, sizeof(struct header))
    if (mark == SLOT) BY_SIZE(in.size, RECV_SLOT)
    else if (mark == HEAD) BY_SIZE(in.size, RECV_HEAD)
    else if (in.size == 64) r->bad = recv_head(n, 64, 0);
    else r->bad = recv_head(n, in.size, 0);
}

// Round trips go through two rings, marked in the slots.
static void ping_setup(void) {
    out = open_side("ring-there");
    in = open_side("ring-back");
}

static void pong_setup(void) {
    in = open_side("ring-there");
    out = open_side("ring-back");
}

ALWAYS_INLINE void ping(uint64_t n, size_t size, struct report *r) {
    uint32_t *samples = samples_room(n);
    int64_t last = now();
    r->start = last;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t number = out.next;
        stamp(out.buf, size, number);
        opaque(out.buf);
        put_slot(&out, size);
        take_slot(&in, size);
        r->bad += !check(in.buf, size, number);
        int64_t t = now();
        samples[i] = sample_ns(t - last);
        last = t;
    }
    r->samples = samples;
    r->n_samples = n;
}

ALWAYS_INLINE void pong(uint64_t n, size_t size, struct report *r) {
    for (uint64_t i = 0; i < n; i++) {
        uint64_t number = in.next;
        take_slot(&in, size);
        r->bad += !check(in.buf, size, number);
        stamp(out.buf, size, number);
        opaque(out.buf);
        put_slot(&out, size);
    }
}

static void ping_run(uint64_t n, struct report *r) {
#define PING(S) ping(n, S, r)
    BY_SIZE(out.size, PING)
}

static void pong_run(uint64_t n, struct report *r) {
#define PONG(S) pong(n, S, r)
    BY_SIZE(in.size, PONG)
}

static const struct role roles[] = {
    {"send", send_setup, send_run, NULL},
    {"recv", recv_setup, recv_run, NULL},
    {"ping", ping_setup, ping_run, NULL},
    {"pong", pong_setup, pong_run, NULL},
    {NULL, NULL, NULL, NULL},
};

int main(int argc, char **argv) { return serve(argc, argv, roles); }
