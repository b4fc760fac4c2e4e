/*
 * peer FILE read COUNT            prints COUNT messages from position 0
 * peer FILE publish RECORD COUNT  publishes as that record; only reliable readers may read
 * peer FILE follow RECORD COUNT   makes publishers wait for it as that subscriber record, then prints COUNT messages
 */
#include "shmbus.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int publish(const struct shmbus *b, unsigned record, unsigned count)
{
    uint64_t next = 0, limit = 0;
    unsigned k = 0;
    for (unsigned i = 0; i < count; i++) {
        void *payload;
        while (!(payload = shmbus_payload(b, record, k))) k = (k + 1) % b->owned;
        int size = sprintf(payload, "c %u", i);
        for (;;) {
            int st = shmbus_publish(b, record, k, (uint64_t)record << 32 | 3 << 24 | (uint64_t)size, 0x123, &next, limit);
            if (st == SHMBUS_DONE) break;
            if (st != SHMBUS_FULL) return st;
            if ((limit = shmbus_limit(b, next)) <= next) sched_yield();
        }
        k = (k + 1) % b->owned;
    }
    return 0;
}

/* Prints count messages from position c, and releases each if record is that of a gate. */
static int consume(const struct shmbus *b, uint64_t c, unsigned count, int record)
{
    char *buf = malloc(b->slot_size);
    for (uint64_t end = c + count; c < end;) {
        uint64_t info;
        size_t size;
        switch (shmbus_read(b, c, &info, buf, &size)) {
        case SHMBUS_DONE:
            printf("%llu %u %.*s\n", (unsigned long long)c++, (unsigned)(info >> 32 & 0xffff), (int)size, buf);
            if (record >= 0) shmbus_release(b, (unsigned)record, c);
            break;
        case SHMBUS_EMPTY:
            sched_yield();
            break;
        default:
            fprintf(stderr, "cannot read %llu\n", (unsigned long long)c);
            return 1;
        }
    }
    free(buf);
    return 0;
}

int main(int argc, char **argv)
{
    struct shmbus b;
    struct stat st;
    int f = argc > 3 ? open(argv[1], O_RDWR) : -1;
    if (f < 0 || fstat(f, &st) < 0) return perror("open"), 2;
    void *mem = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    if (mem == MAP_FAILED) return perror("mmap"), 2;
    const char *err = shmbus_attach(&b, mem, (size_t)st.st_size);
    if (err) return fprintf(stderr, "%s\n", err), 2;
    if (argc == 5 && !strcmp(argv[2], "publish")) return publish(&b, (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]));
    if (argc == 5) return consume(&b, shmbus_join(&b, (unsigned)atoi(argv[3]), 0), (unsigned)atoi(argv[4]), atoi(argv[3]));
    return consume(&b, 0, (unsigned)atoi(argv[3]), -1);
}
