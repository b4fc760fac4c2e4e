// Roles of two processes that put each other to sleep and wake each other: ping and pong for round trips; tick and wake, of which one
// wakes the other every gap=MICROSECONDS: their samples are the low 32 bits of moments, as in shmbusworker/wake.go. Who includes
// this defines how: call() and answer() wake the other side, await_call() and await_answer() sleep until it has done so.
#include "worker.h"

static void call(void);
static void await_call(void);
static void answer(void);
static void await_answer(void);

static void ping_run(uint64_t n, struct report *r) {
    uint32_t *samples = samples_room(n);
    int64_t last = now();
    r->start = last;
    for (uint64_t i = 0; i < n; i++) {
        call();
        await_answer();
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
        await_call();
        answer();
    }
}

static void tick_run(uint64_t n, struct report *r) {
    uint32_t *samples = samples_room(n);
    int64_t gap = param_int("gap", 300) * 1000, next = now() + gap;
    for (uint64_t i = 0; i < n; i++) {
        while (now() < next) pause_cpu();
        samples[i] = (uint32_t)now();
        call();
        next = now() + gap;
    }
    r->samples = samples;
    r->n_samples = n;
}

static void wake_run(uint64_t n, struct report *r) {
    uint32_t *samples = samples_room(n);
    for (uint64_t i = 0; i < n; i++) {
        await_call();
        samples[i] = (uint32_t)now();
    }
    r->samples = samples;
    r->n_samples = n;
}
