// Round trips between two processes that sleep, by futexes alone: the least that a kernel of this kind takes to wake a process.
#include "asleep.h"
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

static void call(void) { post(&words->there, ++number); }
static void await_call(void) { await(&words->there, ++number); }
static void answer(void) { post(&words->back, number); }
static void await_answer(void) { await(&words->back, number); }

static const struct role roles[] = {
    {"ping", setup, ping_run, NULL},
    {"pong", setup, pong_run, NULL},
    {"tick", setup, tick_run, NULL},
    {"wake", setup, wake_run, NULL},
    {NULL, NULL, NULL, NULL},
};

int main(int argc, char **argv) { return serve(argc, argv, roles); }
