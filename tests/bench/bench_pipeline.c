/* bench_pipeline.c - what the agent does with a forwarded item between the spool and the database,
 * in processor time: an item of 9 kB as pyrollbar sends it from a Flask program.
 *
 * "pipeline.item" is all stages of it; "pipeline.stored" is the whole way, from the spool's file to
 * the commit, in batches as the agent makes them. The limit of both: cJSON parses and prints the
 * same text, changing nothing. */
#include "bench.h"

#include <cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/pipeline/pipeline.h"
#include "agent/pipeline/stages.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "spool/dir.h"
#include "spool/writer.h"

enum { ITEM_BYTES = 64 << 10, BLOCKS = 10, BLOCK = 40, STORED = 640, PATH_BYTES = BENCH_PATH + 16 };

static double processor_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int read_item(struct tb_buf *out)
{
    tb_buf_init(out, ITEM_BYTES);
    return tb_fd_slurp(-1, BENCH_SOURCE "/tests/data/rollbar/flask_item.json", out);
}

static int with_cjson(const struct tb_buf *text)
{
    cJSON *tree = cJSON_ParseWithLength(text->data, text->len);
    char *printed = tree ? cJSON_PrintUnformatted(tree) : NULL;
    cJSON_free(printed);
    cJSON_Delete(tree);
    return printed ? 0 : -ENOMEM;
}

static int with_stages(const struct tb_stage_tools *tools, const struct tb_buf *text)
{
    struct tb_work work;
    const struct tb_spool_record record = {.kind = TB_KIND_ITEM,
                                           .time_ns = tb_clock_wall_ns(),
                                           .data = (const uint8_t *)text->data,
                                           .len = text->len};
    int err = tb_stages_run(tools, &record, &work);
    if (err == 0 && strstr(tb_buf_str(&work.item), "Bearer") != NULL)
        err = -EILSEQ; /* the work was not done */
    tb_work_done(&work);
    return err;
}

static int measure_item(const struct tb_stage_tools *tools, const struct tb_buf *text,
                        struct bench_round *out)
{
    double ours = 0;
    double limit = 0;
    int err = 0;
    for (int block = 0; block < BLOCKS && err == 0; block++) {
        double began = processor_us();
        for (int i = 0; i < BLOCK && err == 0; i++)
            err = with_stages(tools, text);
        double between = processor_us();
        for (int i = 0; i < BLOCK && err == 0; i++)
            err = with_cjson(text);
        ours += between - began;
        limit += processor_us() - between;
    }
    out->ours = ours / (BLOCKS * BLOCK);
    out->limit = limit / (BLOCKS * BLOCK);
    return err;
}

static int round_item(const char *folder, struct bench_round *out)
{
    static char environment[] = "production";
    struct tb_config config = {.environment = environment};
    struct tb_scrub scrub;
    struct tb_buf text;
    char why[TB_SCRUB_WHY];
    const struct tb_scrub_rules rules = {0};
    const struct tb_stage_tools tools = {.config = &config, .scrub = &scrub, .host = "h"};
    (void)folder;
    int err = read_item(&text);
    if (err == 0 && (err = tb_scrub_init(&scrub, &rules, why)) == 0) {
        err = measure_item(&tools, &text, out);
        tb_scrub_done(&scrub);
    }
    tb_buf_done(&text);
    return err;
}

/* ---- with spool and database ---- */

/* The item STORED times, each with a uuid of its own. */
static int fill_spool(const char *path, struct tb_buf *text)
{
    char why[TB_SPOOL_WHY];
    struct tb_writer writer;
    char *place = strstr(text->data, "f2a4c8d0-");
    int dir_fd = tb_spool_dir_open(path, TB_SPOOL_CREATE, why);
    int err = dir_fd < 0 ? dir_fd : place == NULL ? -ENODATA : 0;
    tb_writer_init(&writer, TB_CLASS_ERROR, dir_fd);
    for (int i = 0; i < STORED && err == 0; i++) {
        uint8_t uuid[16];
        char text_uuid[TB_UUID_TEXT];
        tb_id_uuid(uuid);
        tb_id_uuid_text(uuid, text_uuid);
        memcpy(place, text_uuid, TB_UUID_TEXT - 1);
        const struct tb_append record = {.kind = TB_KIND_ITEM,
                                         .uuid = uuid,
                                         .time_ns = tb_clock_wall_ns(),
                                         .data = text->data,
                                         .len = text->len};
        err = tb_writer_append(&writer, &record);
    }
    tb_writer_close(&writer);
    tb_fd_close(&dir_fd);
    return err;
}

static int drain(struct tb_pipeline *pipeline, int n)
{
    while (n > 0) {
        int taken = tb_pipeline_batch(pipeline);
        if (taken <= 0)
            return taken < 0 ? taken : -ENODATA;
        n -= taken;
    }
    return 0;
}

static int measure_stored(const char *spool_path, const char *state_path, struct tb_config *config,
                          const struct tb_buf *text, struct bench_round *out)
{
    char why[TB_SPOOL_WHY];
    struct tb_pipeline_options options = {.config = config};
    struct tb_pipeline *pipeline = NULL;
    int err = tb_spool_open(spool_path, TB_SPOOL_CREATE, &options.spool, why);
    if (err == 0)
        err = tb_store_open(state_path, TB_STORE_WRITE, &options.store, why);
    if (err == 0)
        err = tb_pipeline_new(&options, &pipeline);
    double began = processor_us();
    if (err == 0)
        err = drain(pipeline, STORED);
    double between = processor_us();
    for (int i = 0; i < STORED && err == 0; i++)
        err = with_cjson(text);
    out->ours = (between - began) / STORED;
    out->limit = (processor_us() - between) / STORED;
    tb_pipeline_free(pipeline);
    tb_store_close(options.store);
    tb_spool_close(options.spool);
    return err;
}

static int round_stored(const char *parent, struct bench_round *out)
{
    char folder[BENCH_PATH];
    char spool[PATH_BYTES];
    char state[PATH_BYTES];
    char why[TB_CONFIG_WHY];
    struct tb_config config;
    struct tb_buf text;
    const struct tb_config_flags flags = {.spool = spool, .state_dir = state};
    int err = bench_folder(parent, folder);
    if (err)
        return err;
    (void)snprintf(spool, sizeof(spool), "%s/spool", folder);
    (void)snprintf(state, sizeof(state), "%s/state", folder);
    err = read_item(&text);
    if (err == 0)
        err = fill_spool(spool, &text);
    if (err == 0 && (err = tb_config_load(&flags, &config, why)) == 0) {
        err = measure_stored(spool, state, &config, &text, out);
        tb_config_done(&config);
    }
    tb_buf_done(&text);
    bench_remove(folder);
    return err;
}

const struct bench bench_pipeline[] = {{"pipeline.item", "us", round_item},
                                       {"pipeline.stored", "us", round_stored}};
const size_t bench_pipeline_n = sizeof(bench_pipeline) / sizeof(bench_pipeline[0]);
