// The roles send, recv, ping and pong of a transport that carries messages with one call each. A worker includes this, defines
//
//     open_link   sets up the side that listens (recv, pong) or the other, for round trips or one way
//     put         sends a message of that many bytes
//     take        returns the next message and its size; it is valid until the next call
//     close_link  removes what was made; it may run in a signal handler
//
// and ends with LINK_MAIN. The listening side is set up first.
#ifndef SHMBUS_BENCH_LINK_H
#define SHMBUS_BENCH_LINK_H

#include "worker.h"

static void open_link(int listens, int both_ways);
static void put(const void *message, size_t size);
static const void *take(size_t *size);
static void close_link(void);

static unsigned char *link_buf;
static size_t link_size;
static uint64_t link_sent, link_taken;

static void link_setup(int listens, int both_ways) {
    link_size = param_size();
    link_buf = payload_new(link_size);
    open_link(listens, both_ways);
}

static void link_put(void) {
    stamp(link_buf, link_size, link_sent++);
    put(link_buf, link_size);
}

static int link_take(void) {
    size_t size = 0;
    const void *message = take(&size);
    return size == link_size && check(message, size, link_taken++);
}

static void link_send(uint64_t n, struct report *r) {
    (void)r;
    while (n--) link_put();
}

static void link_recv(uint64_t n, struct report *r) {
    while (n--) r->bad += !link_take();
}

static void link_ping(uint64_t n, struct report *r) {
    uint32_t *samples = samples_room(n);
    int64_t last = now();
    r->start = last;
    for (uint64_t i = 0; i < n; i++) {
        link_put();
        r->bad += !link_take();
        int64_t t = now();
        samples[i] = sample_ns(t - last);
        last = t;
    }
    r->samples = samples;
    r->n_samples = n;
}

static void link_pong(uint64_t n, struct report *r) {
    while (n--) {
        r->bad += !link_take();
        link_put();
    }
}

static void send_setup(void) { link_setup(0, 0); }
static void recv_setup(void) { link_setup(1, 0); }
static void ping_setup(void) { link_setup(0, 1); }
static void pong_setup(void) { link_setup(1, 1); }

static const struct role link_roles[] = {
    {"send", send_setup, link_send, close_link},
    {"recv", recv_setup, link_recv, close_link},
    {"ping", ping_setup, link_ping, close_link},
    {"pong", pong_setup, link_pong, close_link},
    {NULL, NULL, NULL, NULL},
};

#define LINK_MAIN \
    int main(int argc, char **argv) { return serve(argc, argv, link_roles); }

#endif
