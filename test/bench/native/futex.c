// Round trips between two processes that sleep, by futexes alone: the least that a kernel of this kind takes to wake a process.
// Roles ping and pong; and tick and wake, of which one wakes the other every gap=MICROSECONDS: their samples are the low 32 bits
// of moments, as in shmbusworker/wake.go.
#include "worker.h"
#include <linux/futex.h>
#include <sys/syscall.h>

static struct words {
    _Alignas(128) uint32_t there; // by ping: round trips begun
    _Alignas(128) uint32_t back;  // by pong: round trips answered
} *words;

static uint32_t number;

static void post(uint32_t *word, uint32_t v) {
    __atomic_store_n(word, v, __ATOMIC_RELEASE);
    must(syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0), "futex");
}

// await returns when the word has come to v.
static void await(uint32_t *word, uint32_t v) {
    uint32_t seen;
    while ((int32_t)((seen = __atomic_load_n(word, __ATOMIC_ACQUIRE)) - v) < 0)
        if (syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0) == -1 && errno != EAGAIN && errno != EINTR)
            die("futex: %s", strerror(errno));
}

static void setup(void) { words = (struct words *)share("words", sizeof *words); }

static void ping_run(uint64_t n, struct report *r) {
    uint32_t *samples = samples_room(n);
    int64_t last = now();
    r->start = last;
    for (uint64_t i = 0; i < n; i++) {
        post(&words->there, ++number);
        await(&words->back, number);
        int64_t t = now();
        samples[i] = sample_ns(t - last);
        last = t;
    }
    r->samples = samples;
    r->n_samples = n;
}

static void pong_run(uint64_t n, struct report *r) {
    (void)r;
    for (uint64_t i = 0; i < n; i++) {
        await(&words->there, ++number);
        post(&words->back, number);
    }
}

static void tick_run(uint64_t n, struct report *r) {
    uint32_t *samples = samples_room(n);
    int64_t gap = param_int("gap", 300) * 1000, next = now() + gap;
    for (uint64_t i = 0; i < n; i++) {
        while (now() < next) pause_cpu();
        samples[i] = (uint32_t)now();
        post(&words->there, ++number);
        next = now() + gap;
    }
    r->samples = samples;
    r->n_samples = n;
}

static void wake_run(uint64_t n, struct report *r) {
    uint32_t *samples = samples_room(n);
    for (uint64_t i = 0; i < n; i++) {
        await(&words->there, ++number);
        samples[i] = (uint32_t)now();
    }
    r->samples = samples;
    r->n_samples = n;
}

static const struct role roles[] = {
    {"ping", setup, ping_run, NULL},
    {"pong", setup, pong_run, NULL},
    {"tick", setup, tick_run, NULL},
    {"wake", setup, wake_run, NULL},
    {NULL, NULL, NULL, NULL},
};

int main(int argc, char **argv) { return serve(argc, argv, roles); }
