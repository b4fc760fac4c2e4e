// Round trips between two processes that sleep, by System V semaphores alone: what the kernel takes to wake a process with
// nothing else to do. Roles ping and pong; and tick and wake, of which one wakes the other every gap=MICROSECONDS: their samples are
// the low 32 bits of moments, as in shmbusworker/wake.go.
#include "worker.h"
#include <sys/ipc.h>
#include <sys/sem.h>

static int set = -1, owned;

static void post(int sem) {
    struct sembuf op = {};
    op.sem_num = sem;
    op.sem_op = 1;
    must(semop(set, &op, 1), "semop");
}

static void await(int sem) {
    struct sembuf op = {};
    op.sem_num = sem;
    op.sem_op = -1;
    while (semop(set, &op, 1) == -1)
        if (errno != EINTR) die("semop: %s", strerror(errno));
}

static void pong_setup(void) {
    char id[32];
    set = must(semget(IPC_PRIVATE, 2, 0600 | IPC_CREAT), "semget");
    owned = 1;
    snprintf(id, sizeof id, "%d", set);
    owe("sem", id);
    *(int *)share("set", sizeof set) = set;
}

static void ping_setup(void) { set = *(int *)share("set", sizeof set); }

static void pong_close(void) {
    if (owned) semctl(set, 0, IPC_RMID);
    owned = 0;
}

static void ping_run(uint64_t n, struct report *r) {
    uint32_t *samples = samples_room(n);
    int64_t last = now();
    r->start = last;
    for (uint64_t i = 0; i < n; i++) {
        post(0);
        await(1);
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
        await(0);
        post(1);
    }
}

static void tick_run(uint64_t n, struct report *r) {
    uint32_t *samples = samples_room(n);
    int64_t gap = param_int("gap", 300) * 1000, next = now() + gap;
    for (uint64_t i = 0; i < n; i++) {
        while (now() < next) pause_cpu();
        samples[i] = (uint32_t)now();
        post(0);
        next = now() + gap;
    }
    r->samples = samples;
    r->n_samples = n;
}

static void wake_run(uint64_t n, struct report *r) {
    uint32_t *samples = samples_room(n);
    for (uint64_t i = 0; i < n; i++) {
        await(0);
        samples[i] = (uint32_t)now();
    }
    r->samples = samples;
    r->n_samples = n;
}

static const struct role roles[] = {
    {"ping", ping_setup, ping_run, NULL},
    {"pong", pong_setup, pong_run, pong_close},
    {"tick", ping_setup, tick_run, NULL},
    {"wake", pong_setup, wake_run, pong_close},
    {NULL, NULL, NULL, NULL},
};

int main(int argc, char **argv) { return serve(argc, argv, roles); }
