// The bare scan: one process fills an array of words, one compare-and-swap each as in an exchange ring, and another looks for
// the one that is marked, the last. Nobody who has to look at a word for each message can pass over messages faster.
//
// Roles fill and skip take turns; a run is of so many turns. skip's samples are those of a turn, of each=SLOTS words.
#include "worker.h"

static struct table {
    _Alignas(128) uint64_t filled; // laps, by fill
    _Alignas(128) uint64_t passed; // laps, by skip
    _Alignas(128) uint64_t words[]; // lap and mark
} *table;

enum { MARK = 1 };
static uint64_t slots, lap;

static void await(uint64_t *word, uint64_t v) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != v) pause_cpu();
}

static void setup(void) {
    slots = param_int("slots", 4096);
    table = (struct table *)share("table", sizeof *table + slots * sizeof *table->words);
}

static void fill_run(uint64_t n, struct report *r) {
    for (; n > 0; n--) {
        lap++;
        for (uint64_t i = 0; i < slots; i++) {
            uint64_t mark = i == slots - 1 ? MARK : 0, before = lap == 1 ? 0 : (lap - 1) << 1 | mark;
            if (!__atomic_compare_exchange_n(&table->words[i], &before, lap << 1 | mark, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
                r->bad++;
        }
        __atomic_store_n(&table->filled, lap, __ATOMIC_RELEASE);
        await(&table->passed, lap);
    }
}

static void skip_run(uint64_t n, struct report *r) {
    uint32_t *samples = samples_room(n);
    for (uint64_t turn = 0; turn < n; turn++) {
        await(&table->filled, ++lap);
        int64_t start = now();
        uint64_t i = 0;
        while (i < slots && __atomic_load_n(&table->words[i], __ATOMIC_ACQUIRE) == lap << 1) i++;
        samples[turn] = sample_ns(now() - start);
        if (i != slots - 1 || table->words[i] != (lap << 1 | MARK)) r->bad++;
        __atomic_store_n(&table->passed, lap, __ATOMIC_RELEASE);
    }
    r->samples = samples;
    r->n_samples = n;
    snprintf(r->other, sizeof r->other, "each=%lu", slots);
}

static const struct role roles[] = {{"skip", setup, skip_run, NULL}, {"fill", setup, fill_run, NULL}, {NULL, NULL, NULL, NULL}};

int main(int argc, char **argv) { return serve(argc, argv, roles); }
