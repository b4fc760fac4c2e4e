// Round trips between two processes that sleep, by System V semaphores alone: what the kernel takes to wake a process with
// nothing else to do.
#include "asleep.h"
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

static void call(void) { post(0); }
static void await_call(void) { await(0); }
static void answer(void) { post(1); }
static void await_answer(void) { await(1); }

static const struct role roles[] = {
    {"ping", ping_setup, ping_run, NULL},
    {"pong", pong_setup, pong_run, pong_close},
    {"tick", ping_setup, tick_run, NULL},
    {"wake", pong_setup, wake_run, pong_close},
    {NULL, NULL, NULL, NULL},
};

int main(int argc, char **argv) { return serve(argc, argv, roles); }
