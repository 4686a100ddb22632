/* cmd_test.c - one item through everything: spool, agent, database, and Rollbar when the agent has
 * a token. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/json.h"
#include "cli/agent.h"
#include "cli/print.h"
#include "base/suggest.h"
#include "cli/verb.h"
#include "sink/sink.h"
#include "spool/dir.h"
#include "spool/writer.h"

enum { ITEM_BYTES = 4096, WAIT_MS = 10000, STEP_MS = 50 };

static const struct {
    const char *name;
    int class_;
} levels[] = {{"debug", TB_CLASS_INFO},
              {"info", TB_CLASS_INFO},
              {"warning", TB_CLASS_WARNING},
              {"error", TB_CLASS_ERROR},
              {"critical", TB_CLASS_CRASH}};

static int class_of(const char *level)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (strcmp(levels[i].name, level) == 0)
            return levels[i].class_;
    return -EINVAL;
}

static int wrong_level(const char *level)
{
    const char *names[sizeof(levels) / sizeof(levels[0])];
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        names[i] = levels[i].name;
    const char *near = tb_suggest(level, names, sizeof(names) / sizeof(names[0]));
    fprintf(stderr, "towbar: there is no level '%.64s': debug, info, warning, error, critical",
            level);
    if (near != NULL)
        fprintf(stderr, "; did you mean '%s'?", near);
    fprintf(stderr, "\n");
    return TB_EXIT_USAGE;
}

/* A complete Rollbar item, as an SDK would send it. */
static int make_item(const char *level, const char *uuid, const char *environment, char *out,
                     size_t cap, size_t *len)
{
    char host[256] = "";
    struct tb_json j;
    (void)gethostname(host, sizeof(host) - 1);
    tb_json_init(&j, out, cap);
    tb_json_object(&j);
    tb_json_key(&j, "data");
    tb_json_object(&j);
    tb_json_kstr(&j, "uuid", uuid);
    tb_json_kstr(&j, "environment", environment);
    tb_json_kint(&j, "timestamp", (int64_t)(tb_clock_wall_ns() / TB_NS_PER_S));
    tb_json_kstr(&j, "level", level);
    tb_json_kstr(&j, "platform", "linux");
    tb_json_kstr(&j, "language", "c");
    tb_json_kstr(&j, "title", "towbar test");
    tb_json_key(&j, "server");
    tb_json_object(&j);
    tb_json_kopt(&j, "host", host);
    tb_json_end(&j);
    tb_json_key(&j, "body");
    tb_json_object(&j);
    tb_json_key(&j, "message");
    tb_json_object(&j);
    tb_json_kstr(&j, "body", "towbar test: this item came through the spool and the agent");
    tb_json_end(&j);
    tb_json_end(&j);
    tb_json_key(&j, "notifier");
    tb_json_object(&j);
    tb_json_kstr(&j, "name", "towbar");
    tb_json_kstr(&j, "version", TOWBAR_VERSION);
    tb_json_end(&j);
    int err = tb_json_finish(&j);
    *len = j.len;
    return err;
}

/* Appends the item to the spool. 0, or a negative errno that was said on stderr. */
static int append(const struct tb_config *config, const char *level, const uint8_t uuid[16],
                  const char *uuid_text)
{
    char why[TB_SPOOL_WHY] = "";
    char item[ITEM_BYTES];
    struct tb_append record = {.kind = TB_KIND_ITEM, .uuid = uuid, .data = item};
    struct tb_writer writer;
    int err = make_item(level, uuid_text, config->environment, item, sizeof(item), &record.len);
    int dirfd = err == 0 ? tb_spool_dir_open(config->spool, 0, why) : err;
    if (dirfd < 0) {
        fprintf(stderr, "towbar: %s\n", *why != '\0' ? why : strerror(-dirfd));
        return dirfd;
    }
    record.time_ns = tb_clock_wall_ns();
    tb_writer_init(&writer, class_of(level), dirfd);
    err = tb_writer_append(&writer, &record);
    tb_writer_close(&writer);
    tb_fd_close(&dirfd);
    if (err < 0)
        fprintf(stderr, "towbar: cannot write to the spool %s: %s\n", config->spool,
                strerror(-err));
    return err;
}

/* How far the item has come. */
struct progress {
    int64_t number; /* of its item; 0: not stored yet */
    int has_outbox; /* the agent means to send it */
    struct tb_store_outcome outcome;
};

static int found(void *arg, const struct tb_occurrence_row *occurrence)
{
    ((struct progress *)arg)->number = occurrence->item;
    return 0;
}

/* 1 when there is nothing more to wait for. */
static int look(struct tb_store *store, const char *uuid, struct progress *out)
{
    const struct tb_occurrence_filter filter = {.uuid = uuid, .max = 1};
    int err = tb_store_occurrences(store, &filter, found, out);
    if (err < 0 || out->number == 0)
        return err < 0;
    err = tb_store_outcome(store, uuid, tb_sink_rollbar.name, &out->outcome);
    out->has_outbox = err == 0;
    return err < 0 || out->outcome.state != TB_OUT_QUEUED || out->outcome.attempts > 0;
}

static void wait_for(const struct tb_config *config, const char *uuid, struct progress *out)
{
    const struct timespec step = {.tv_nsec = (long)STEP_MS * TB_NS_PER_MS};
    const uint64_t end_ns = tb_clock_mono_ns() + (uint64_t)WAIT_MS * TB_NS_PER_MS;
    struct tb_store *store = NULL;
    memset(out, 0, sizeof(*out));
    do {
        int err = store == NULL ? tb_cli_store(config, &store) : 0;
        if ((err < 0 && err != -ENOENT) || (store != NULL && look(store, uuid, out)))
            break;
        nanosleep(&step, NULL);
    } while (tb_clock_mono_ns() < end_ns);
    tb_store_close(store);
}

/* What became of it at Rollbar, in words; NULL when nothing is wrong. */
static const char *trouble(const struct progress *progress)
{
    if (!progress->has_outbox || progress->outcome.state == TB_OUT_SENT)
        return NULL;
    return progress->outcome.reason[0] != '\0' ? progress->outcome.reason
                                               : "no answer from Rollbar yet";
}

static int say(const struct tb_cli *cli, const struct progress *progress, const char *uuid,
               uint64_t took_ns)
{
    char command[TB_CLI_COMMAND];
    char verb[32];
    const char *wrong = trouble(progress);
    snprintf(verb, sizeof(verb), "item %" PRId64, progress->number);
    if (progress->number == 0) {
        fprintf(stderr,
                "towbar: the item %s is in the spool, but the agent did not store it within %d s;"
                " its log says why, '%s status' what it holds\n",
                uuid, WAIT_MS / 1000, cli->self);
        return TB_EXIT_WRONG;
    }
    if (cli->json)
        printf("{\"number\":%" PRId64 ",\"uuid\":\"%s\",\"ms\":%" PRIu64 ",\"sent\":%s}\n",
               progress->number, uuid, took_ns / TB_NS_PER_MS,
               progress->has_outbox && wrong == NULL ? "true" : "false");
    else
        printf("Stored as item %" PRId64 "%s after %" PRIu64 " ms, uuid %s.\nLook at it: %s\n",
               progress->number, progress->has_outbox && wrong == NULL ? ", taken by Rollbar" : "",
               took_ns / TB_NS_PER_MS, uuid, tb_cli_command(cli, verb, command));
    if (wrong == NULL)
        return TB_EXIT_WELL;
    fprintf(stderr, "towbar: Rollbar has not taken it: %s%s; '%s status' says more\n", wrong,
            progress->outcome.state == TB_OUT_PARKED
                ? "; give the agent a token that it takes, in ROLLBAR_ACCESS_TOKEN or in"
                  " rollbar.token_file"
                : "",
            cli->self);
    return TB_EXIT_WRONG;
}

/* Else nobody would see the item arrive; said on stderr. */
static int may_read(const struct tb_config *config)
{
    struct tb_store *store = NULL;
    int err = tb_cli_store(config, &store);
    tb_store_close(store);
    return err == 0 || err == -ENOENT;
}

int tb_cmd_test(struct tb_cli *cli)
{
    struct tb_config config;
    struct tb_agent_answer agent;
    uint8_t uuid[TB_UUID_BYTES];
    char text[TB_UUID_TEXT];
    const char *level = cli->level != NULL ? cli->level : "info";
    int code = TB_EXIT_WRONG;
    if (class_of(level) < 0)
        return wrong_level(level);
    if (tb_cli_config(cli, &config) < 0)
        return TB_EXIT_WRONG;
    tb_id_uuid(uuid);
    tb_id_uuid_text(uuid, text);
    tb_agent_ask(&config, &agent);
    if (!agent.is_up) {
        fprintf(stderr,
                "towbar: no agent answers at %s (%s), so nothing was sent; start it: towbard\n",
                config.socket, agent.why);
    } else if (may_read(&config)) {
        uint64_t start_ns = tb_clock_mono_ns();
        if (append(&config, level, uuid, text) == 0) {
            struct progress progress;
            wait_for(&config, text, &progress);
            code = say(cli, &progress, text, tb_clock_mono_ns() - start_ns);
        }
    }
    tb_agent_answer_done(&agent);
    tb_config_done(&config);
    return code;
}
