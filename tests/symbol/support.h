/* support.h - for the tests of src/symbol: compile real programs, run them, ask for their frames.
 */
#ifndef TB_TESTS_SYMBOL_SUPPORT_H
#define TB_TESTS_SYMBOL_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <cjson/cJSON.h>

#include "base/id.h"
#include "symbol/worker.h"

#define DATA TEST_SOURCE "/tests/symbol/data"
#define PROBE_C (DATA "/probe.c")
#define CHAIN_C (DATA "/chain.c")
#define SHAPES_CC (DATA "/shapes.cc")

enum { SUBJECT_MODULES_MAX = 32, SUBJECT_ADDRESSES_MAX = 64, REPLY_BYTES = TB_SYMBOL_REPLY_MAX };

/* A program that was compiled and run. */
struct subject {
    char path[512];
    struct tb_process process;
    struct tb_module modules[SUBJECT_MODULES_MAX];
    char names[SUBJECT_MODULES_MAX][512];
    uint64_t addresses[SUBJECT_ADDRESSES_MAX];
    size_t n_addresses;
};

static char folder[64]; /* of this test program */

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/towbar-symbol-XXXXXX");
    /* Others must be able to search it: what they cannot is not shown. */
    return mkdtemp(folder) && chmod(folder, 0755) == 0 ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Runs argv; its standard output goes to out_fd unless that is -1. Returns its exit status. */
static inline int run_to(int out_fd, const char *const *argv)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        if (out_fd >= 0)
            dup2(out_fd, 1);
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN(...) assert_int_equal(run_to(-1, (const char *const[]){__VA_ARGS__, NULL}), 0)

static inline const char *c_compiler(void)
{
    const char *cc = getenv("CC");
    return cc && cc[0] ? cc : "cc";
}

static inline int is_installed(const char *program)
{
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int code = run_to(null_fd, (const char *const[]){program, "--version", NULL});
    close(null_fd);
    return code == 0;
}

/* The line of a data file that ends with the mark "mark: NAME". */
static inline int line_of(const char *file, const char *name)
{
    char path[512];
    char mark[64];
    char line[512];
    int found = 0;
    (void)snprintf(path, sizeof(path), "%s/%s", DATA, file);
    (void)snprintf(mark, sizeof(mark), "mark: %s", name);
    FILE *stream = fopen(path, "re");
    assert_non_null(stream);
    for (int n = 1; fgets(line, sizeof(line), stream); n++) {
        const char *at = strstr(line, mark);
        if (at && strchr(" \n", at[strlen(mark)]))
            found = n;
    }
    fclose(stream);
    assert_int_not_equal(found, 0);
    return found;
}

static inline void read_module(struct subject *s, const char *line)
{
    struct tb_module *m = &s->modules[s->process.n_modules];
    char id[2 * TB_BUILD_ID_BYTES + 2] = "";
    unsigned long lo;
    unsigned long hi;
    unsigned long bias;
    unsigned long header;
    int is_main;
    char *name = s->names[s->process.n_modules];
    if (s->process.n_modules == SUBJECT_MODULES_MAX)
        return;
    assert_int_equal(sscanf(line, "module %lx %lx %lx %lx %d %65s %511s", &lo, &hi, &bias, &header,
                            &is_main, id, name),
                     7);
    *m = (struct tb_module){.lo = lo,
                            .hi = hi,
                            .bias = bias,
                            .eh_frame_hdr = header,
                            .flags = is_main ? TB_MODULE_MAIN : 0,
                            .path = name};
    m->build_id_len = (uint32_t)(strlen(id) - 1) / 2; /* ends with "-" */
    id[2 * m->build_id_len] = '\0';
    assert_int_equal(tb_unhex(id, m->build_id, m->build_id_len), 0);
    s->process.n_modules++;
}

static inline int by_lo(const void *a, const void *b)
{
    const struct tb_module *left = a;
    const struct tb_module *right = b;
    return left->lo < right->lo ? -1 : left->lo > right->lo;
}

/* Runs a program that calls probe. */
static inline void run_subject(const char *path, struct subject *s)
{
    char line[1024];
    char output[600];
    *s = (struct subject){.process = {.uid = geteuid(),
                                      .exe = "",
                                      .host = "",
                                      .service = "",
                                      .environment = "",
                                      .version = "",
                                      .root = ""}};
    (void)snprintf(s->path, sizeof(s->path), "%s", path);
    s->process.modules = s->modules;
    (void)snprintf(output, sizeof(output), "%s.out", path);
    int fd = open(output, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(run_to(fd, (const char *const[]){path, NULL}), 0);
    lseek(fd, 0, SEEK_SET);
    FILE *stream = fdopen(fd, "r");
    assert_non_null(stream);
    while (fgets(line, sizeof(line), stream)) {
        if (strncmp(line, "module", 6) == 0)
            read_module(s, line);
        else if (s->n_addresses < SUBJECT_ADDRESSES_MAX)
            s->addresses[s->n_addresses++] = strtoull(line + strlen("address "), NULL, 16);
    }
    fclose(stream);
    qsort(s->modules, s->process.n_modules, sizeof(s->modules[0]), by_lo);
    assert_true(s->n_addresses > 0);
}

static inline const char *in_folder(char out[512], const char *name)
{
    (void)snprintf(out, 512, "%s/%s", folder, name);
    return out;
}

static inline void default_config(struct tb_symbol_config *config)
{
    char text[1024];
    int n = snprintf(text, sizeof(text), "source_root=%s\n", DATA);
    assert_int_equal(tb_symbol_config_read(text, (size_t)n, config), 0);
}

/* The answer for the addresses of a subject. The caller deletes it. */
static inline cJSON *ask(const struct tb_symbol_config *config, const struct subject *s)
{
    static char reply[REPLY_BYTES];
    struct tb_json json;
    tb_json_init(&json, reply, sizeof(reply));
    assert_int_equal(tb_symbol_addresses(config, &s->process, s->addresses, s->n_addresses, &json),
                     0);
    assert_int_equal(tb_json_finish(&json), 0);
    cJSON *answer = cJSON_Parse(reply);
    assert_non_null(answer);
    return answer;
}

static inline const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "";
}

static inline int number_of(const cJSON *object, const char *key)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(object, key);
    return number ? number->valueint : 0;
}

static inline int is_set(const cJSON *object, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* A frame of an answer, counted from the innermost. */
static inline const cJSON *frame_at(const cJSON *answer, int i)
{
    const cJSON *frames = cJSON_GetObjectItemCaseSensitive(answer, "frames");
    const cJSON *frame = cJSON_GetArrayItem(frames, cJSON_GetArraySize(frames) - 1 - i);
    assert_non_null(frame);
    return frame;
}

static inline int n_frames_of(const cJSON *answer)
{
    return cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(answer, "frames"));
}

static inline const char *symbols_of(const cJSON *answer, const char *module)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(answer, "modules"))
    {
        if (strcmp(text_of(item, "name"), module) == 0)
            return text_of(item, "symbols");
    }
    return "";
}

#endif
