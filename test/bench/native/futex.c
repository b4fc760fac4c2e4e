// Round trips between two processes that sleep, by futexes alone: the least that a kernel of this kind takes to wake a process.
// Roles ping and pong.
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

static void await(uint32_t *word, uint32_t v) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != v)
        if (syscall(SYS_futex, word, FUTEX_WAIT, v - 1, NULL, NULL, 0) == -1 && errno != EAGAIN && errno != EINTR)
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

static const struct role roles[] = {
    {"ping", setup, ping_run, NULL},
    {"pong", setup, pong_run, NULL},
    {NULL, NULL, NULL, NULL},
};

int main(int argc, char **argv) { return serve(argc, argv, roles); }
