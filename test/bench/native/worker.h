// The C side of a measured process: the line protocol (see worker/doc.go), the payload (see payload/payload.go), clocks and
// samples. A worker is one file, C or C++, that includes this and ends with
//
//     static const struct role roles[] = {{"send", send_setup, send_run, send_close}, …, {0}};
//     int main(int argc, char **argv) { return serve(argc, argv, roles); }
//
// setup attaches, connects or subscribes; run does one run of n messages; close removes what was made, also on
// SIGTERM, so it uses nothing that a signal handler must not, and may be NULL.
#ifndef SHMBUS_BENCH_WORKER_H
#define SHMBUS_BENCH_WORKER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define UNUSED __attribute__((unused))

// A report is what a run found. start and end may stay 0: then they are the moments before and after run.
struct report {
    int64_t start, end;
    uint64_t bad, lost;
    const uint32_t *samples; // nanoseconds each; n_samples of them
    size_t n_samples;
    char other[256]; // more to say: key=value …
};

struct role {
    const char *name;
    void (*setup)(void);
    void (*run)(uint64_t n, struct report *r);
    void (*close)(void);
};

static struct {
    int argc;
    char **argv;
    const struct role *role;
    volatile sig_atomic_t ready;
} worker_self;

ALWAYS_INLINE int64_t clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

ALWAYS_INLINE int64_t now(void) { return clock_ns(CLOCK_MONOTONIC); }

ALWAYS_INLINE void pause_cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// opaque makes the compiler believe that memory behind p was read and changed: what was written is written, and
// what follows is read anew. A private buffer stays one that way and is not merged into the copy.
ALWAYS_INLINE void opaque(const void *p) { __asm__ volatile("" : : "r"(p) : "memory"); }

// die prints an error line and ends the worker.
__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    fputs("error ", stdout);
    vfprintf(stdout, format, ap);
    va_end(ap);
    fputc('\n', stdout);
    fflush(stdout);
    if (worker_self.role && worker_self.role->close) worker_self.role->close();
    _exit(1);
}

// must is for calls that return -1 and set errno.
ALWAYS_INLINE long must(long result, const char *what) {
    if (result == -1) die("%s: %s", what, strerror(errno));
    return result;
}

// param returns the value of a parameter, or by_default.
UNUSED static const char *param(const char *key, const char *by_default) {
    size_t n = strlen(key);
    for (int i = 2; i < worker_self.argc; i++)
        if (!strncmp(worker_self.argv[i], key, n) && worker_self.argv[i][n] == '=') return worker_self.argv[i] + n + 1;
    return by_default;
}

UNUSED static long param_int(const char *key, long by_default) {
    const char *v = param(key, NULL);
    if (!v) return by_default;
    char *end;
    long n = strtol(v, &end, 10);
    if (!*v || *end) die("%s=%s: a number is needed", key, v);
    return n;
}

// param_size returns the size of a message.
UNUSED static size_t param_size(void) {
    long n = param_int("size", 48);
    if (n < 16 || n % 8) die("size %ld: a multiple of 8 from 16 on is needed", n);
    return n;
}

// in_dir returns a path in the scratch folder, to be freed.
UNUSED static char *in_dir(const char *name) {
    char *path;
    if (asprintf(&path, "%s/%s", param("dir", "."), name) < 0) die("out of memory");
    return path;
}

// owe notes a kernel object, as "sem ID", "shm ID", "msg ID", "shm_open NAME" or "mq NAME", that the parent removes should this
// worker be killed.
UNUSED static void owe(const char *kind, const char *what) {
    char *path = in_dir("owed");
    FILE *f = fopen(path, "a");
    if (!f) die("%s: %s", path, strerror(errno));
    fprintf(f, "%s %s\n", kind, what);
    fclose(f);
    free(path);
}

// share maps a file of the scratch folder that all workers of the run share. It is zero at first.
UNUSED static void *share(const char *name, size_t bytes) {
    char *path = in_dir(name);
    int fd = must(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), path);
    must(ftruncate(fd, bytes), "ftruncate");
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (p == MAP_FAILED) die("mmap of %s: %s", path, strerror(errno));
    close(fd);
    free(path);
    return p;
}

// ---- payload

#define PAYLOAD_GOLDEN UINT64_C(0x9E3779B97F4A7C15)
#define PAYLOAD_INVERSE UINT64_C(0xF1DE83E19937733D)
#define PAYLOAD_LINE 64
#define PAYLOAD_EVERY 64

ALWAYS_INLINE uint64_t load_word(const unsigned char *b, size_t k) {
    uint64_t w;
    memcpy(&w, b + 8 * k, 8);
    return w;
}

ALWAYS_INLINE void store_word(unsigned char *b, size_t k, uint64_t w) { memcpy(b + 8 * k, &w, 8); }

// payload_new returns a buffer to stamp, with the constant bytes in place.
UNUSED static unsigned char *payload_new(size_t size) {
    unsigned char *b = (unsigned char *)aligned_alloc(64, (size + 63) / 64 * 64);
    if (!b) die("out of memory");
    for (size_t i = 0; i < size; i++) b[i] = i * 131;
    return b;
}

// stamp makes b, which payload_new returned, message i.
ALWAYS_INLINE void stamp(void *buf, size_t size, uint64_t i) {
    unsigned char *b = (unsigned char *)buf;
    uint64_t x = i * PAYLOAD_GOLDEN;
    size_t words = (size < PAYLOAD_LINE ? size : PAYLOAD_LINE) / 8;
    for (size_t k = 0; k < words; k++) store_word(b, k, x + k);
    if (size <= PAYLOAD_LINE) return;
    for (size_t k = PAYLOAD_LINE / 8; k < size / 8; k += PAYLOAD_LINE / 8) store_word(b, k, x + k);
    store_word(b, size / 8 - 1, x + size / 8 - 1);
}

// payload_number returns which message b says it is.
ALWAYS_INLINE uint64_t payload_number(const void *b) { return load_word((const unsigned char *)b, 0) * PAYLOAD_INVERSE; }

UNUSED __attribute__((noinline)) static int check_all(const void *buf, size_t size, uint64_t i) {
    const unsigned char *b = (const unsigned char *)buf;
    uint64_t x = i * PAYLOAD_GOLDEN, wrong = 0;
    static unsigned char filler[256];
    if (!filler[1])
        for (int j = 0; j < 256; j++) filler[j] = j * 131;
    size_t last = size / 8 - 1;
    for (size_t k = 0; k <= last; k++) {
        uint64_t want = x + k;
        if (k >= PAYLOAD_LINE / 8 && k % (PAYLOAD_LINE / 8) && k != last) want = load_word(filler, k % 32);
        wrong |= load_word(b, k) ^ want;
    }
    return !wrong;
}

// check reports whether b is message i: by its stamped words, and every 64th message by all bytes.
ALWAYS_INLINE int check(const void *buf, size_t size, uint64_t i) {
    if (i % PAYLOAD_EVERY == 0) return check_all(buf, size, i);
    const unsigned char *b = (const unsigned char *)buf;
    uint64_t x = i * PAYLOAD_GOLDEN, wrong = 0;
    size_t words = (size < PAYLOAD_LINE ? size : PAYLOAD_LINE) / 8;
    for (size_t k = 0; k < words; k++) wrong |= load_word(b, k) ^ (x + k);
    if (size > PAYLOAD_LINE) {
        for (size_t k = PAYLOAD_LINE / 8; k < size / 8; k += PAYLOAD_LINE / 8) wrong |= load_word(b, k) ^ (x + k);
        wrong |= load_word(b, size / 8 - 1) ^ (x + size / 8 - 1);
    }
    return !wrong;
}

// ---- samples

// samples_room returns room for n samples, kept from run to run.
UNUSED static uint32_t *samples_room(size_t n) {
    static uint32_t *room;
    static size_t have;
    if (n > have) {
        free(room);
        room = (uint32_t *)malloc(n * sizeof *room);
        if (!room) die("out of memory");
        have = n;
    }
    memset(room, 0, n * sizeof *room); // so that no page is first touched while time is taken
    return room;
}

ALWAYS_INLINE uint32_t sample_ns(int64_t ns) { return ns < 0 ? 0 : ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns; }

static void samples_write(const struct report *r, char *path, size_t path_size) {
    snprintf(path, path_size, "%s/%s-%d.samples", param("dir", "."), worker_self.role->name, (int)getpid());
    FILE *f = fopen(path, "w");
    if (!f || fwrite(r->samples, sizeof *r->samples, r->n_samples, f) != r->n_samples || fclose(f))
        die("%s: %s", path, strerror(errno));
}

// ---- protocol

static void on_signal(int sig) {
    if (worker_self.ready && worker_self.role->close) worker_self.role->close();
    _exit(128 + sig);
}

// serve is the main loop of a worker.
static int serve(int argc, char **argv, const struct role *roles) {
    worker_self.argc = argc;
    worker_self.argv = argv;
    const struct role *role = roles;
    while (role->name && (argc < 2 || strcmp(role->name, argv[1]))) role++;
    if (!role->name) die("skipped: there is no role %s", argc < 2 ? "" : argv[1]);
    worker_self.role = role;
    struct sigaction on = {};
    on.sa_handler = on_signal;
    sigaction(SIGTERM, &on, NULL);
    sigaction(SIGINT, &on, NULL);
    role->setup();
    worker_self.ready = 1;
    puts("ready");
    fflush(stdout);

    char line[128], path[4096];
    while (fgets(line, sizeof line, stdin) && strcmp(line, "quit\n")) {
        uint64_t n;
        if (sscanf(line, "run %lu", &n) != 1 || n < 1) die("%.*s is not understood", (int)strcspn(line, "\n"), line);
        struct report r = {};
        int64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), start = now();
        role->run(n, &r);
        int64_t end = now();
        cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        printf("ran n=%lu start=%ld end=%ld cpu=%ld bad=%lu lost=%lu", n, (long)(r.start ? r.start : start), (long)(r.end ? r.end : end),
               (long)cpu, r.bad, r.lost);
        if (r.samples) {
            samples_write(&r, path, sizeof path);
            printf(" samples=%s", path);
        }
        printf("%s%s\n", *r.other ? " " : "", r.other);
        fflush(stdout);
    }
    worker_self.ready = 0;
    if (role->close) role->close();
    return 0;
}

#endif
