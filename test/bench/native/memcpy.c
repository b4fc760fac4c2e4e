// The limit for large frames: frames are handed over in buffers=N shared buffers (2), with one memcpy in and one out, and a
// word per buffer says whose it is.
#include "worker.h"

struct turn {
    _Alignas(128) uint64_t seq; // 2k+1: frame number k of this buffer is in it; 2k+2: it was taken out
};

static struct turn *turns;
static unsigned char *frames, *buf;
static size_t size, stride;
static uint64_t next, buffers;

static void setup(void) {
    size = param_size();
    buffers = param_int("buffers", 2);
    if (buffers < 1) die("buffers=%ld: a number from 1 on is needed", (long)buffers);
    stride = (size + 4095) / 4096 * 4096 + 128; // so that buffers do not compete for the same sets of the cache
    turns = (struct turn *)share("turns", buffers * sizeof *turns);
    frames = (unsigned char *)share("frames", buffers * stride);
    buf = payload_new(size);
}

ALWAYS_INLINE void await(uint64_t *word, uint64_t v) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != v) pause_cpu();
}

static void send_run(uint64_t n, struct report *r) {
    (void)r;
    for (uint64_t end = next + n; next < end; next++) {
        uint64_t i = next % buffers, lap = next / buffers;
        stamp(buf, size, next);
        opaque(buf);
        await(&turns[i].seq, 2 * lap);
        memcpy(frames + i * stride, buf, size);
        __atomic_store_n(&turns[i].seq, 2 * lap + 1, __ATOMIC_RELEASE);
    }
}

static void recv_run(uint64_t n, struct report *r) {
    for (uint64_t end = next + n; next < end; next++) {
        uint64_t i = next % buffers, lap = next / buffers;
        await(&turns[i].seq, 2 * lap + 1);
        memcpy(buf, frames + i * stride, size);
        opaque(buf);
        __atomic_store_n(&turns[i].seq, 2 * lap + 2, __ATOMIC_RELEASE);
        r->bad += !check(buf, size, next);
    }
}

static const struct role roles[] = {
    {"send", setup, send_run, NULL},
    {"recv", setup, recv_run, NULL},
    {NULL, NULL, NULL, NULL},
};

int main(int argc, char **argv) { return serve(argc, argv, roles); }
