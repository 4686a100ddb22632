/* bench_symbol_item.c - from the record of a crash to an item that a person can read: what the
 * agent does with it between the spool and the database.
 *
 * Ours is a crash of a process of 50 other threads, no two of which stand in the same place, asked
 * of a symbolizer in its process and its sandbox that has been asked before: its indexes are
 * mapped. The limit is finding the names of all its frames in those indexes, in this process.
 * Peers: the answer without the other process
 * ("in process"); the same of a worker that was just started, whose indexes are in the folder
 * ("new worker"); and of one that has to build them ("no index"). */
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent/native/native.h"
#include "agent/native/symbol_store.h"
#include "agent/native/symbolizer.h"
#include "record/crash.h"
#include "record/process.h"
#include "run_host.h"
#include "spool/reader.h"
#include "symbol/answer/answer.h"
#include "symbol/stack/module_index.h"
#include "symbol/stack/offline.h"
#include "symbol/stack/threads.h"

enum { OTHER_THREADS = 50, APART = 10000, ASKED = 20, LOOKED_UP = 50, PACKED_BYTES = 4 << 20 };
#define CACHE_BYTES ((uint64_t)1 << 30)

/* The one crash of a spool, with all that is needed to ask. */
struct subject {
    struct tb_crash crash;
    struct tb_process process;
    uint8_t *body, *packed;
    size_t body_len, packed_len;
};

static void drop_subject(struct subject *s)
{
    if (s->body)
        tb_crash_done(&s->crash);
    if (s->packed)
        tb_process_done(&s->process);
    free(s->body);
    free(s->packed);
    *s = (struct subject){0};
}

static int take_crash(struct tb_spool *spool, const struct tb_spool_record *record,
                      struct subject *out)
{
    const uint8_t *data;
    size_t len;
    struct subject s = {.body_len = record->len};
    s.body = malloc(record->len);
    if (!s.body)
        return -ENOMEM;
    memcpy(s.body, record->data, record->len);
    int err = tb_crash_unpack(s.body, s.body_len, &s.crash);
    if (err == 0 && s.crash.n_threads < OTHER_THREADS / 2)
        err = -ENODATA;
    if (err == 0)
        err = tb_spool_context(spool, record, s.crash.fixed.generation, &data, &len);
    if (err == 0 && (err = tb_process_unpack(data, len, &s.process)) == 0) {
        s.process.uid = record->uid;
        s.packed = malloc(PACKED_BYTES);
        err = s.packed ? 0 : -ENOMEM;
    }
    if (err) {
        drop_subject(&s);
        return err;
    }
    s.packed_len = tb_process_pack(&s.process, s.packed, PACKED_BYTES);
    *out = s;
    return 0;
}

static int make_crash(const char *folder, struct subject *out)
{
    struct run_host run;
    struct tb_spool_record record;
    struct tb_spool *spool = NULL;
    char path[BENCH_PATH + 16];
    char why[TB_SPOOL_WHY];
    int err = run_host_init(&run, folder);
    if (err < 0)
        return err;
    err = run_host(&run, RUN_HOST, "die", APART + OTHER_THREADS);
    if (err == 0)
        err = WIFSIGNALED(run.status) && WTERMSIG(run.status) == SIGSEGV ? 0 : -ENODATA;
    (void)snprintf(path, sizeof(path), "%s/spool", run.folder);
    if (err == 0)
        err = tb_spool_open(path, 0, &spool, why);
    while (err == 0 && (err = tb_spool_next(spool, &record)) == 0 && record.kind != TB_KIND_CRASH)
        ;
    if (err == 0)
        err = take_crash(spool, &record, out);
    tb_spool_close(spool);
    run_host_done(&run);
    return err;
}

/* ---- ours ---- */

static int make_item(struct tb_symbolizer *symbolizer, const struct subject *s)
{
    static const uint8_t uuid[16] = {1};
    const struct tb_symbolizer_question question = {.op = TB_SYMBOL_CRASH,
                                                    .process = s->packed,
                                                    .process_len = s->packed_len,
                                                    .body = s->body,
                                                    .body_len = s->body_len};
    struct tb_native_context context = {
        .process = &s->process, .uuid = uuid, .environment = "bench", .host = "host"};
    struct tb_buf answer;
    struct tb_buf item;
    char why[TB_DOC_WHY];
    tb_buf_init(&answer, TB_SYMBOL_REPLY_MAX);
    tb_buf_init(&item, TB_NATIVE_ITEM_BYTES);
    int err = tb_symbolizer_ask(symbolizer, &question, &answer);
    context.symbols = tb_buf_str(&answer);
    context.symbols_len = answer.len;
    if (err == 0)
        err = tb_native_crash(&s->crash, &context, &item, why);
    tb_buf_done(&item);
    tb_buf_done(&answer);
    return err;
}

/* n items by a worker with that store: their median. */
static int time_items(struct tb_symbol_store *store, const struct subject *s, int is_warm, int n,
                      double *ms)
{
    static char source_root[] = "/nonexistent"; /* source lines are another matter */
    char *roots[] = {source_root};
    double samples[ASKED];
    const struct tb_config config = {
        .source_roots = roots, .n_source_roots = 1, .context_lines = 3};
    const struct tb_symbolizer_options options = {
        .program = BENCH_SUBJECT, .config = &config, .store = store};
    int err = 0;
    for (int i = 0; i < n && err == 0;) {
        struct tb_symbolizer *symbolizer;
        if ((err = tb_symbolizer_new(&options, &symbolizer)) != 0)
            return err;
        if (is_warm)
            err = make_item(symbolizer, s);
        do {
            double start = bench_us();
            err = err ? err : make_item(symbolizer, s);
            samples[i++] = (bench_us() - start) / 1000;
        } while (is_warm && i < n && err == 0);
        tb_symbolizer_free(symbolizer);
    }
    *ms = bench_percentile(samples, (size_t)n, 50);
    return err;
}

static int time_all(const char *folder, const struct subject *s, struct bench_round *out)
{
    char state[BENCH_PATH];
    struct tb_symbol_store *store = NULL;
    double none;
    int err = bench_folder(folder, state);
    out->peers[1].name = "new worker";
    out->peers[2].name = "no index";
    if (err == 0)
        err = time_items(NULL, s, 0, 1, &out->peers[2].value);
    if (err == 0)
        err = tb_symbol_store_open(state, CACHE_BYTES, &store);
    if (err == 0 && (err = time_items(store, s, 0, 1, &none)) == 0) /* fills the folder */
        err = time_items(store, s, 0, ASKED / 4, &out->peers[1].value);
    if (err == 0)
        err = time_items(store, s, 1, ASKED, &out->ours);
    tb_symbol_store_close(store);
    return err;
}

/* ---- in this process ---- */

static size_t look_up(struct tb_symbol_modules *modules, const struct tb_symbol_raw *frames,
                      size_t n)
{
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    size_t n_named = 0;
    for (size_t i = 0; i < n; i++) {
        struct tb_symbol_module *module = tb_symbol_modules_find(modules, frames[i].ip - 1);
        if (!module)
            continue;
        tb_symbol_module_load_index(modules, module);
        if (!module->index)
            continue;
        uint64_t address = frames[i].ip - 1 - module->info->bias;
        n_named += tb_symbol_index_find(module->index, address, places) > 0;
        n_named += tb_symbol_index_symbol(module->index, address) != NULL;
    }
    return n_named;
}

static int time_look_ups(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                         const struct subject *s, double *ms)
{
    struct tb_symbol_modules modules;
    struct tb_symbol_threads threads = {0};
    struct tb_symbol_stack_found *found = calloc(1, sizeof(*found));
    size_t n_named = 0;
    int err = found ? tb_symbol_modules_init(cache, config, &s->process, &modules) : -ENOMEM;
    if (err) {
        free(found);
        return err;
    }
    tb_symbol_offline_unwind(&modules, &s->crash, found);
    err = tb_symbol_threads_make(&modules, &s->crash, UINT64_C(10000000000), &threads);
    n_named = look_up(&modules, found->frames, found->n); /* the indexes are mapped now */
    double start = bench_us();
    for (int k = 0; k < LOOKED_UP && err == 0; k++) {
        n_named += look_up(&modules, found->frames, found->n);
        for (size_t i = 0; i < threads.n; i++)
            n_named += look_up(&modules, threads.groups[i].frames, threads.groups[i].n);
    }
    *ms = (bench_us() - start) / 1000 / LOOKED_UP;
    tb_symbol_threads_done(&threads);
    tb_symbol_modules_done(&modules);
    free(found);
    return err || n_named > 0 ? err : -ENODATA;
}

static int time_answers(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                        const struct subject *s, double *ms)
{
    double samples[ASKED];
    char *reply = malloc(TB_SYMBOL_REPLY_MAX);
    int err = reply ? 0 : -ENOMEM;
    for (int i = 0; i <= ASKED && err == 0; i++) {
        struct tb_json json;
        tb_json_init(&json, reply, TB_SYMBOL_REPLY_MAX);
        double start = bench_us();
        err = tb_symbol_answer_crash(cache, config, &s->process, &s->crash, &json);
        if (i > 0)
            samples[i - 1] = (bench_us() - start) / 1000;
    }
    free(reply);
    *ms = err ? 0 : bench_percentile(samples, ASKED, 50);
    return err;
}

static int time_in_process(const struct subject *s, struct bench_round *out)
{
    struct tb_symbol_config config;
    struct tb_symbol_cache cache;
    int err = tb_symbol_config_read("", 0, &config);
    if (err)
        return err;
    tb_symbol_cache_init(&cache);
    out->peers[0].name = "in process";
    err = time_answers(&cache, &config, s, &out->peers[0].value);
    if (err == 0)
        err = time_look_ups(&cache, &config, s, &out->limit);
    tb_symbol_cache_done(&cache);
    tb_symbol_config_done(&config);
    return err;
}

static int item_of_a_crash(const char *folder, struct bench_round *out)
{
    struct subject s = {0};
    int err = make_crash(folder, &s);
    if (err == 0)
        err = time_all(folder, &s, out);
    if (err == 0)
        err = time_in_process(&s, out);
    drop_subject(&s);
    return err;
}

const struct bench bench_symbol_item[] = {{"symbol.item", "ms", item_of_a_crash}};
const size_t bench_symbol_item_n = sizeof(bench_symbol_item) / sizeof(bench_symbol_item[0]);
