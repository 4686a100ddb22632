/* bench_group.c - how well crashes are grouped: precision and recall over pairs of occurrences of
 * the corpus of tests/group, a sample of it, against two ways to group the same items by all
 * frames.
 *
 * The corpus is made once, by its Python; every round has its numbers. */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_BYTES = 8 << 10, NAME_BYTES = 64 };

static char output[OUTPUT_BYTES]; /* of bench.py */
static int output_err = -EAGAIN;  /* until it has run */

static void run_python(int out)
{
    if (dup2(out, STDOUT_FILENO) < 0 || chdir(BENCH_GROUP) < 0)
        _exit(126);
    setenv("TOWBAR_BUILD", BENCH_BUILD, 1);
    setenv("TOWBAR_SOURCE", BENCH_SOURCE, 1);
    execlp("python3", "python3", "-B", "bench.py", (char *)NULL);
    _exit(127);
}

static void read_all(int fd)
{
    size_t len = 0;
    ssize_t n = 0;
    while (len < sizeof(output) - 1 && (n = read(fd, output + len, sizeof(output) - 1 - len)) > 0)
        len += (size_t)n;
    output[len] = '\0';
}

static int make_output(void)
{
    int ends[2];
    int status = 0;
    if (pipe(ends) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0)
        run_python(ends[1]);
    close(ends[1]);
    if (pid > 0)
        read_all(ends[0]);
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return -ECHILD;
    return 0;
}

/* NAME OURS ALL-FRAMES ROLLBAR */
static int find(const char *name, struct bench_round *out)
{
    char first[NAME_BYTES + 1];
    if (output_err == -EAGAIN)
        output_err = make_output();
    if (output_err)
        return output_err;
    for (const char *line = output; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        double n[3];
        if (sscanf(line, "%64s %lf %lf %lf", first, &n[0], &n[1], &n[2]) == 4 &&
            strcmp(first, name) == 0) {
            *out = (struct bench_round){.ours = n[0],
                                        .peers = {{"all-frames", n[1]}, {"rollbar", n[2]}}};
            return 0;
        }
        line += len + (line[len] == '\n');
    }
    return -ENOENT;
}

#define ROW(id, row)                                                                               \
    static int id(const char *folder, struct bench_round *out)                                     \
    {                                                                                              \
        (void)folder;                                                                              \
        return find(row, out);                                                                     \
    }
ROW(precision, "group.precision")
ROW(precision_stripped, "group.precision.stripped.same")
ROW(recall, "group.recall")
ROW(recall_same, "group.recall.same")
ROW(recall_rebuild, "group.recall.rebuild")
ROW(recall_separate, "group.recall.separate")
ROW(recall_levels, "group.recall.levels")
ROW(recall_intact, "group.recall.levels.intact")
ROW(recall_stripped, "group.recall.stripped.same")
ROW(recall_exported, "group.recall.stripped.exported")

const struct bench bench_group[] = {{"group.precision", "", precision},
                                    {"group.precision.stripped", "", precision_stripped},
                                    {"group.recall", "", recall},
                                    {"group.recall.same", "", recall_same},
                                    {"group.recall.rebuild", "", recall_rebuild},
                                    {"group.recall.separate", "", recall_separate},
                                    {"group.recall.levels", "", recall_levels},
                                    {"group.recall.levels.intact", "", recall_intact},
                                    {"group.recall.stripped", "", recall_stripped},
                                    {"group.recall.stripped.exported", "", recall_exported}};
const size_t bench_group_n = sizeof(bench_group) / sizeof(bench_group[0]);
