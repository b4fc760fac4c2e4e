// Reads messages of one size, checks each as the number it should have, and answers with the same messages stamped anew.
#include "worker.h"

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    size_t size = strtoul(argv[1], NULL, 10);
    uint64_t number = strtoull(argv[2], NULL, 10);
    unsigned char *in = payload_new(size), *out = payload_new(size);
    memset(in, 0, size);
    for (; fread(in, size, 1, stdin) == 1; number++) {
        if (!check(in, size, number) || !check_all(in, size, number) || payload_number(in) != number) return 3;
        in[size - 1] ^= 1; // the last word is always stamped
        if (check(in, size, number) || check_all(in, size, number)) return 4;
        if (check(out, size, number)) return 5;
        stamp(out, size, number);
        if (fwrite(out, size, 1, stdout) != 1) return 6;
    }
    return 0;
}
