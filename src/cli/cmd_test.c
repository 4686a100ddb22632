/* cmd_test.c - one item through everything: spool, agent, database. */
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
#include "cli/verb.h"
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

static int found(void *arg, const struct tb_occurrence_row *occurrence)
{
    *(int64_t *)arg = occurrence->item;
    return 0;
}

/* The item's number once the agent has stored that uuid; 0 when it did not in time. */
static int64_t wait_for(const struct tb_config *config, const char *uuid)
{
    const struct tb_occurrence_filter filter = {.uuid = uuid, .max = 1};
    const struct timespec step = {.tv_nsec = (long)STEP_MS * TB_NS_PER_MS};
    const uint64_t end_ns = tb_clock_mono_ns() + (uint64_t)WAIT_MS * TB_NS_PER_MS;
    struct tb_store *store = NULL;
    int64_t number = 0;
    int err = 0;
    do {
        if (store == NULL)
            err = tb_cli_store(config, &store);
        if (store != NULL)
            err = tb_store_occurrences(store, &filter, found, &number);
        if (number != 0 || (err < 0 && err != -ENOENT))
            break;
        nanosleep(&step, NULL);
    } while (tb_clock_mono_ns() < end_ns);
    tb_store_close(store);
    return number;
}

static int say(const struct tb_cli *cli, int64_t number, const char *uuid, uint64_t took_ns)
{
    char command[TB_CLI_COMMAND];
    char verb[32];
    snprintf(verb, sizeof(verb), "item %" PRId64, number);
    if (number == 0) {
        fprintf(stderr,
                "towbar: the item %s is in the spool, but the agent did not store it within %d s;"
                " its log says why, '%s status' what it holds\n",
                uuid, WAIT_MS / 1000, cli->self);
        return TB_EXIT_WRONG;
    }
    if (cli->json)
        printf("{\"number\":%" PRId64 ",\"uuid\":\"%s\",\"ms\":%" PRIu64 "}\n", number, uuid,
               took_ns / TB_NS_PER_MS);
    else
        printf("Stored as item %" PRId64 " after %" PRIu64 " ms, uuid %s.\nLook at it: %s\n",
               number, took_ns / TB_NS_PER_MS, uuid, tb_cli_command(cli, verb, command));
    return TB_EXIT_WELL;
}

int tb_cmd_test(struct tb_cli *cli)
{
    struct tb_config config;
    struct tb_agent_answer agent;
    uint8_t uuid[TB_UUID_BYTES];
    char text[TB_UUID_TEXT];
    const char *level = cli->level != NULL ? cli->level : "info";
    int code = TB_EXIT_WRONG;
    if (class_of(level) < 0) {
        fprintf(stderr, "towbar: there is no level '%s': debug, info, warning, error, critical\n",
                level);
        return TB_EXIT_USAGE;
    }
    if (tb_cli_config(cli, &config) < 0)
        return TB_EXIT_WRONG;
    tb_id_uuid(uuid);
    tb_id_uuid_text(uuid, text);
    tb_agent_ask(&config, &agent);
    if (!agent.is_up) {
        fprintf(stderr,
                "towbar: no agent answers at %s (%s), so nothing was sent; start it: towbard"
                "    (as a service: systemctl start towbard)\n",
                config.socket, agent.why);
    } else {
        uint64_t start_ns = tb_clock_mono_ns();
        if (append(&config, level, uuid, text) == 0) {
            int64_t number = wait_for(&config, text);
            code = say(cli, number, text, tb_clock_mono_ns() - start_ns);
        }
    }
    tb_agent_answer_done(&agent);
    tb_config_done(&config);
    return code;
}
