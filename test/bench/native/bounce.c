// The bare cache line: two processors take turns in storing a word, as quickly as the hardware moves its line. Nothing that is
// told from one to the other takes less time.
//
// Roles ping and pong, two processes; and probe, one process with two threads on cpus=0,1, which answers each run of N round trips
// with the median time of one, rtt=NS (taken over stretches of 64, so that reading the clock weighs nothing).
#include "worker.h"
#include <pthread.h>

static struct line {
    _Alignas(128) uint64_t there; // by ping
    _Alignas(128) uint64_t back;  // by pong; together they are one line bounced each way
    _Alignas(128) char end[1];
} *line;

static uint64_t number;

ALWAYS_INLINE void put(uint64_t *word, uint64_t v) { __atomic_store_n(word, v, __ATOMIC_RELEASE); }

ALWAYS_INLINE void await(uint64_t *word, uint64_t v) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != v) pause_cpu();
}

static void open_line(void) { line = (struct line *)share("line", sizeof *line); }

static void ping_run(uint64_t n, struct report *r) {
    uint32_t *samples = samples_room(n);
    int64_t last = now();
    r->start = last;
    for (uint64_t i = 0; i < n; i++) {
        put(&line->there, ++number);
        await(&line->back, number);
        int64_t t = now();
        samples[i] = sample_ns(t - last);
        last = t;
    }
    r->samples = samples;
    r->n_samples = n;
}

static void answer(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        await(&line->there, ++number);
        put(&line->back, number);
    }
}

static void pong_run(uint64_t n, struct report *r) {
    (void)r;
    answer(n);
}

// ---- the probe

enum { STRETCH = 64 };

static int cpus[2];

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    must(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

static void *probe_answer(void *n) {
    pin(cpus[1]);
    for (uint64_t i = 1; i <= *(uint64_t *)n; i++) {
        await(&line->there, i);
        put(&line->back, i);
    }
    return NULL;
}

static void probe_setup(void) {
    if (sscanf(param("cpus", "0,1"), "%d,%d", &cpus[0], &cpus[1]) != 2) die("cpus=A,B is needed");
    pin(cpus[0]);
    line = (struct line *)aligned_alloc(128, sizeof *line);
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void probe_run(uint64_t n, struct report *r) {
    uint64_t stretches = n / STRETCH + 1;
    n = stretches * STRETCH;
    uint32_t *samples = samples_room(stretches);
    memset(line, 0, sizeof *line);
    pthread_t thread;
    if (pthread_create(&thread, NULL, probe_answer, &n)) die("pthread_create failed");
    uint64_t i = 0;
    for (uint64_t s = 0; s < stretches; s++) {
        int64_t before = now();
        for (int k = 0; k < STRETCH; k++) {
            put(&line->there, ++i);
            await(&line->back, i);
        }
        samples[s] = sample_ns(now() - before);
    }
    pthread_join(thread, NULL);
    qsort(samples, stretches, sizeof *samples, ascending);
    snprintf(r->other, sizeof r->other, "rtt=%.1f", (double)samples[stretches / 2] / STRETCH);
}

static const struct role roles[] = {
    {"ping", open_line, ping_run, NULL},
    {"pong", open_line, pong_run, NULL},
    {"probe", probe_setup, probe_run, NULL},
    {NULL, NULL, NULL, NULL},
};

int main(int argc, char **argv) { return serve(argc, argv, roles); }
