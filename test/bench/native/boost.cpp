// Boost.Interprocess: message_queue in POSIX shared memory, a ring of messages behind a process-shared mutex and two condition
// variables, and for round trips another one back. wait=spin repeats the calls that do not block.
//
// build: -std=c++17
#include "link.h"
#include <boost/interprocess/ipc/message_queue.hpp>
#include <string>

using boost::interprocess::message_queue;

static message_queue *in, *out;
static std::string names[2]; // of the queues that this side has made
static unsigned char *received;
static bool spin;

static message_queue *open_queue(bool create, const char *direction, int i) {
    std::string name = std::string("shmbus-bench-") + param("id", "boost") + direction;
    if (!create) return new message_queue(boost::interprocess::open_only, name.c_str());
    owe("shm_open", name.c_str());
    message_queue::remove(name.c_str());
    names[i] = name;
    return new message_queue(boost::interprocess::create_only, name.c_str(), param_int("slots", 4096), link_size);
}

static void open_link(int listens, int both_ways) {
    received = payload_new(link_size);
    spin = !strcmp(param("wait", "block"), "spin");
    try {
        message_queue *there = open_queue(listens, "-there", 0), *back = both_ways ? open_queue(listens, "-back", 1) : NULL;
        in = listens ? there : back;
        out = listens ? back : there;
    } catch (const std::exception &e) {
        die("message_queue: %s", e.what());
    }
}

static void put(const void *b, size_t size) {
    if (spin)
        while (!out->try_send(b, size, 0)) pause_cpu();
    else
        out->send(b, size, 0);
}

static const void *take(size_t *size) {
    message_queue::size_type n;
    unsigned priority;
    if (spin)
        while (!in->try_receive(received, link_size, n, priority)) pause_cpu();
    else
        in->receive(received, link_size, n, priority);
    *size = n;
    return received;
}

static void close_link(void) {
    for (const std::string &name : names)
        if (!name.empty()) shm_unlink(name.c_str());
}

LINK_MAIN
