/* kept.h - for the tests of indexes that are kept: what the worker and the agent do with them,
 * programs of which there are indexes, and how a build ends (see extra.cmake). After ../support.h.
 */
#ifndef TB_TESTS_SYMBOL_KEPT_H
#define TB_TESTS_SYMBOL_KEPT_H

#include <sys/mman.h>

#include "base/fd.h"
#include "symbol/answer/answer.h"
#include "symbol/index/build.h"
#include "symbol/index/shelf_file.h"
#include "symbol/stack/module_index.h"

#define FORGED_ID "0x0123456789abcdef0123456789abcdef01234567"

enum { SOMEBODY = 12345, ANOTHER = 12346 };

static struct tb_symbol_config config;
static struct tb_symbol_cache cache;
static char index_dir[600];
static struct {
    volatile int n_builds;
    volatile bool crashes;
} * shared; /* with the children that build */

int __real_tb_symbol_index_build(const struct tb_symbol_index_input *input, uint8_t *mem,
                                 size_t cap, size_t *out_len);
int __wrap_tb_symbol_index_build(const struct tb_symbol_index_input *input, uint8_t *mem,
                                 size_t cap, size_t *out_len);
int __wrap_tb_symbol_index_build(const struct tb_symbol_index_input *input, uint8_t *mem,
                                 size_t cap, size_t *out_len)
{
    shared->n_builds++;
    if (shared->crashes)
        abort();
    return __real_tb_symbol_index_build(input, mem, cap, out_len);
}

/* ---- what the worker and the agent do ---- */

/* Writes what is new into the folder. Returns how many. */
static inline int keep_news(void)
{
    struct tb_symbol_shelved *news;
    int n = 0;
    while ((news = tb_symbol_shelf_news(&cache.shelf, 1))) {
        char sub[TB_SYMBOL_SHELF_SUBFOLDER];
        char name[TB_SYMBOL_SHELF_NAME];
        char path[1024];
        const struct tb_symbol_key *key = &news->key;
        if (news->fd >= 0) {
            assert_int_equal(
                tb_symbol_shelf_file_name(key->build_id, key->build_id_len, key->uid, sub, name),
                0);
            (void)snprintf(path, sizeof(path), "%s/%s", index_dir, sub);
            (void)mkdir(path, 0700);
            (void)snprintf(path, sizeof(path), "%s/%s/%s", index_dir, sub, name);
            int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
            assert_true(fd >= 0);
            assert_int_equal(tb_fd_write_all(fd, news->mapped, news->index.len), 0);
            close(fd);
            n++;
        }
        tb_symbol_shelf_told(&cache.shelf, news, 1);
    }
    return n;
}

static inline void restart(void)
{
    tb_symbol_cache_done(&cache);
    tb_symbol_cache_init(&cache);
}

static inline cJSON *ask_kept(const struct subject *s)
{
    static char reply[REPLY_BYTES];
    struct tb_json json;
    tb_json_init(&json, reply, sizeof(reply));
    assert_int_equal(tb_symbol_answer_addresses(&cache, &config, &s->process, s->addresses,
                                                s->n_addresses, &json),
                     0);
    assert_int_equal(tb_json_finish(&json), 0);
    cJSON *answer = cJSON_Parse(reply);
    assert_non_null(answer);
    return answer;
}

/* The innermost function, as that reporter is told. */
static inline void expect_named(struct subject *s, uint32_t uid, const char *method)
{
    s->process.uid = uid;
    cJSON *answer = ask_kept(s);
    assert_string_equal(text_of(frame_at(answer, 0), "method"), method);
    cJSON_Delete(answer);
}

static inline void build(const char *name, struct subject *s)
{
    char path[512];
    char probe[512];
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", "-O2", CHAIN_C, probe, "-o", in_folder(path, name));
    run_subject(path, s);
}

static inline const struct tb_module *main_module(const struct subject *s)
{
    return tb_process_module(&s->process, s->addresses[0]);
}

/* The file of the folder that has the index of the program. */
static inline void index_path(const struct subject *s, uint32_t uid, char out[1024])
{
    char sub[TB_SYMBOL_SHELF_SUBFOLDER];
    char name[TB_SYMBOL_SHELF_NAME];
    const struct tb_module *module = main_module(s);
    assert_int_equal(
        tb_symbol_shelf_file_name(module->build_id, module->build_id_len, uid, sub, name), 0);
    (void)snprintf(out, 1024, "%s/%s/%s", index_dir, sub, name);
}

static inline int set_up_test(void **state)
{
    char text[1400];
    if (make_folder(state) != 0 || chmod(folder, 0755) != 0)
        return -1;
    (void)snprintf(index_dir, sizeof(index_dir), "%s/symbols", folder);
    int n = snprintf(text, sizeof(text), "source_root=%s\nindex_dir=%s\n", DATA, index_dir);
    if (mkdir(index_dir, 0700) != 0 || tb_symbol_config_read(text, (size_t)n, &config) != 0)
        return -1;
    tb_symbol_cache_init(&cache);
    shared->n_builds = 0;
    shared->crashes = false;
    return 0;
}

static inline int end_test(void **state)
{
    tb_symbol_cache_done(&cache);
    tb_symbol_config_done(&config);
    return remove_folder(state);
}

/* Two programs with the build ID of the first; the second is of SOMEBODY, and its functions are
 * others. */
static inline void build_forged(struct subject *s, struct subject *forged)
{
    char path[512];
    char probe[512];
    RUN(c_compiler(), "-c", PROBE_C, "-o", in_folder(probe, "probe.o"));
    RUN(c_compiler(), "-g", "-O2", "-Wl,--build-id=" FORGED_ID, CHAIN_C, probe, "-o",
        in_folder(path, "real"));
    run_subject(path, s);
    RUN(c_compiler(), "-g", "-O2", "-Wl,--build-id=" FORGED_ID, "-Dinnermost=forged_name", CHAIN_C,
        probe, "-o", in_folder(path, "forged"));
    run_subject(path, forged);
    assert_int_equal(chown(path, SOMEBODY, SOMEBODY), 0);
}

static inline int share_counts(void **state)
{
    (void)state;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? -1 : 0;
}

#define INDEX_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_test, end_test)

#endif
