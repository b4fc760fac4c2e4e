// A POSIX message queue from C, and for round trips another one back: what kernel/posixmq.go does, without what a system call
// costs a Go program beside the call itself. wait=spin repeats calls that do not block.
//
// build: -lrt
#include "link.h"
#include <mqueue.h>
#include <sys/resource.h>

static mqd_t in, out;
static char *names[2]; // of the queues that this side has made
static char *received;

static mqd_t open_queue(int create, const char *direction, int i) {
    char *name;
    if (asprintf(&name, "/shmbus-bench-%s%s", param("id", "posixmq"), direction) < 0) die("out of memory");
    int flags = O_RDWR | O_CLOEXEC | (strcmp(param("wait", "block"), "spin") ? 0 : O_NONBLOCK);
    if (!create) return must(mq_open(name, flags), "mq_open");
    owe("mq", name);
    mqd_t q = -1;
    // The longest queue that this user may have.
    for (struct mq_attr a = {.mq_maxmsg = 1024, .mq_msgsize = link_size}; q == -1 && a.mq_maxmsg; a.mq_maxmsg /= 10)
        q = mq_open(name, flags | O_CREAT | O_EXCL, 0600, &a);
    if (q == -1) die("skipped: mq_open, %zu bytes a message: %s", link_size, strerror(errno));
    names[i] = name;
    return q;
}

static void open_link(int listens, int both_ways) {
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MSGQUEUE, &all);
    received = (char *)payload_new(link_size);
    mqd_t there = open_queue(listens, "-there", 0), back = both_ways ? open_queue(listens, "-back", 1) : -1;
    in = listens ? there : back;
    out = listens ? back : there;
}

static void put(const void *b, size_t size) {
    while (mq_send(out, b, size, 0) == -1)
        if (errno != EAGAIN && errno != EINTR) must(-1, "mq_send");
}

static const void *take(size_t *size) {
    ssize_t n;
    while ((n = mq_receive(in, received, link_size, NULL)) == -1)
        if (errno != EAGAIN && errno != EINTR) must(-1, "mq_receive");
    *size = n;
    return received;
}

static void close_link(void) {
    for (int i = 0; i < 2; i++)
        if (names[i]) mq_unlink(names[i]);
}

LINK_MAIN
