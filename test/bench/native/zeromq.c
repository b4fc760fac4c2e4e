// ZeroMQ's own library (libzmq) over a Unix socket: PUSH and PULL one way, PAIR for round trips. zmq_send copies the message into one
// of the library's own, whose I/O thread writes what has gathered in one call; received messages are looked at where the
// library keeps them. The high-water mark of 1,000 messages, the default, is as fast as any.
//
// build: -lzmq
#include "link.h"
#include <zmq.h>

static void *context, *endpoint;
static char *path; // of the socket that this side has made
static zmq_msg_t message;

static long zmust(long result, const char *what) {
    if (result == -1) die("%s: %s", what, zmq_strerror(zmq_errno()));
    return result;
}

static void open_link(int listens, int both_ways) {
    context = zmq_ctx_new();
    endpoint = zmq_socket(context, both_ways ? ZMQ_PAIR : listens ? ZMQ_PULL : ZMQ_PUSH);
    if (!endpoint) die("zmq_socket: %s", zmq_strerror(zmq_errno()));
    int hwm = param_int("hwm", 1000);
    zmust(zmq_setsockopt(endpoint, ZMQ_SNDHWM, &hwm, sizeof hwm), "ZMQ_SNDHWM");
    zmust(zmq_setsockopt(endpoint, ZMQ_RCVHWM, &hwm, sizeof hwm), "ZMQ_RCVHWM");
    char *file = in_dir("zeromq"), *address;
    if (asprintf(&address, "ipc://%s", file) < 0) die("out of memory");
    if (listens) {
        zmust(zmq_bind(endpoint, address), "zmq_bind");
        path = file;
    } else {
        zmust(zmq_connect(endpoint, address), "zmq_connect");
    }
    zmq_msg_init(&message);
}

static void put(const void *b, size_t size) {
    while (zmq_send(endpoint, b, size, 0) == -1)
        if (zmq_errno() != EINTR) zmust(-1, "zmq_send");
}

static const void *take(size_t *size) {
    while (zmq_msg_recv(&message, endpoint, 0) == -1)
        if (zmq_errno() != EINTR) zmust(-1, "zmq_msg_recv");
    *size = zmq_msg_size(&message);
    return zmq_msg_data(&message);
}

static void close_link(void) {
    if (path) unlink(path);
}

LINK_MAIN
