/* replay.c - runs a fuzz target over the files of its corpus, for compilers without a fuzzer.
 *
 * Usage: PROGRAM FOLDER. Fails when the folder holds no file. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

enum { INPUT_MAX_BYTES = 16 << 20 };

static int replay(int dirfd, const char *name)
{
    struct tb_buf input;
    tb_buf_init(&input, INPUT_MAX_BYTES);
    int err = tb_fd_slurp(dirfd, name, &input);
    if (err == 0)
        (void)LLVMFuzzerTestOneInput((const uint8_t *)tb_buf_str(&input), input.len);
    tb_buf_done(&input);
    return err;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: %s FOLDER (one that can be read)\n", argv[0]);
        return 2;
    }
    int n_files = 0;
    int err = 0;
    for (struct dirent *entry = readdir(folder); entry && err == 0; entry = readdir(folder)) {
        if (entry->d_name[0] == '.')
            continue;
        err = replay(dirfd(folder), entry->d_name);
        n_files++;
    }
    closedir(folder);
    if (err < 0 || n_files == 0) {
        fprintf(stderr, "%s: %s\n", argv[1], err < 0 ? strerror(-err) : "no file to replay");
        return 1;
    }
    printf("[  PASSED  ] %d test(s).\n", n_files);
    return 0;
}
