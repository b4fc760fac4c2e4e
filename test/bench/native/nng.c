// nng, the successor of nanomsg, over a Unix socket: PUSH and PULL one way, PAIR for round trips. nng_send copies the message into
// one of the library's own, whose threads write each by itself; received messages are looked at where the library keeps
// them. Queues hold 1,000 messages, since the default of none to few makes both sides wait for each other.
//
// build: -lnng
#include "link.h"
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>

static nng_socket endpoint;
static nng_msg *message;
static char *path; // of the socket that this side has made

static void nmust(int error, const char *what) {
    if (error) die("%s: %s", what, nng_strerror(error));
}

static void open_link(int listens, int both_ways) {
    nmust(both_ways ? nng_pair0_open(&endpoint) : listens ? nng_pull0_open(&endpoint) : nng_push0_open(&endpoint), "nng_open");
    int room = param_int("room", 1000);
    nng_socket_set_int(endpoint, NNG_OPT_SENDBUF, room); // which not every kind of socket has
    nng_socket_set_int(endpoint, NNG_OPT_RECVBUF, room);
    nmust(nng_socket_set_size(endpoint, NNG_OPT_RECVMAXSZ, 0), "NNG_OPT_RECVMAXSZ");
    char *file = in_dir("nng"), *address;
    if (asprintf(&address, "ipc://%s", file) < 0) die("out of memory");
    if (listens) {
        nmust(nng_listen(endpoint, address, NULL, 0), "nng_listen");
        path = file;
    } else {
        nmust(nng_dial(endpoint, address, NULL, 0), "nng_dial");
    }
}

static void put(const void *b, size_t size) { nmust(nng_send(endpoint, (void *)b, size, 0), "nng_send"); }

static const void *take(size_t *size) {
    if (message) nng_msg_free(message);
    nmust(nng_recvmsg(endpoint, &message, 0), "nng_recvmsg");
    *size = nng_msg_len(message);
    return nng_msg_body(message);
}

static void close_link(void) {
    if (path) unlink(path);
}

LINK_MAIN
