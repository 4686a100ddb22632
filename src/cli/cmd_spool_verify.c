/* cmd_spool_verify.c - towbar spool verify: is every byte as it was written? */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/print.h"
#include "cli/spool.h"

enum { LINE_BYTES = 64 << 10, PLACES_MAX = 200, PLACES_BYTES = 32 << 10 };

struct verify {
    struct tb_buf places; /* of the file: lines, or members of a JSON array */
    size_t n_places;
    int is_json;
    uint64_t n_files, n_whole, n_lost, n_torn, n_damaged_files, n_refused;
};

static const char *place_word(enum tb_peek_what what)
{
    switch (what) {
    case TB_PEEK_DAMAGE:
        return "damaged";
    case TB_PEEK_TORN:
        return "torn";
    case TB_PEEK_HOLE:
        return "hole";
    case TB_PEEK_UNKNOWN:
        return "unknown";
    case TB_PEEK_RECORD:
    case TB_PEEK_PROCESS:
    case TB_PEEK_SEAL:
    case TB_PEEK_THREAD:
    case TB_PEEK_WRITING:
    default:
        return NULL;
    }
}

static const char *place_help(enum tb_peek_what what)
{
    switch (what) {
    case TB_PEEK_DAMAGE:
        return "these bytes are not as they were written";
    case TB_PEEK_TORN:
        return "normal: its writer died in the middle of a write";
    case TB_PEEK_HOLE:
        return "normal: its writer died, or met a full disk, before this write";
    case TB_PEEK_UNKNOWN:
        return "whole, but nothing that this program knows";
    case TB_PEEK_RECORD:
    case TB_PEEK_PROCESS:
    case TB_PEEK_SEAL:
    case TB_PEEK_THREAD:
    case TB_PEEK_WRITING:
    default:
        return "";
    }
}

static int each_part(void *arg, const struct tb_peek_file *file, const struct tb_peek_part *part)
{
    struct verify *verify = arg;
    const char *word = place_word(part->what);
    (void)file;
    if (!word || verify->n_places++ >= PLACES_MAX)
        return 0;
    if (verify->is_json)
        tb_buf_addf(&verify->places,
                    "%s{\"what\":\"%s\",\"offset\":%" PRIu64 ",\"end\":%" PRIu64 "}",
                    verify->places.len > 0 ? "," : "", word, part->offset, part->end);
    else
        tb_buf_addf(&verify->places, "    %-8s %8" PRIu64 " .. %-8" PRIu64 " %s\n", word,
                    part->offset, part->end, place_help(part->what));
    return 0;
}

static int file_json(const struct tb_look *look, const struct tb_peek_file *file,
                     struct verify *verify, bool is_bad)
{
    char line[LINE_BYTES];
    struct tb_json j;
    tb_json_init(&j, line, sizeof(line));
    tb_json_object(&j);
    tb_spool_file_json(&j, look->peek, file);
    tb_json_kbool(&j, "ok", !is_bad);
    tb_json_kbool(&j, "header_mended", file->was_mended);
    tb_json_key(&j, "places");
    tb_json_array(&j);
    if (verify->places.len > 0)
        tb_json_raw(&j, verify->places.data, verify->places.len);
    tb_json_end(&j);
    tb_json_end(&j);
    int err = tb_json_finish(&j);
    puts(line);
    return err < 0 ? TB_EXIT_WRONG : TB_EXIT_WELL;
}

static void file_lines(const struct tb_look *look, const struct tb_peek_file *file,
                       struct verify *verify, bool is_bad)
{
    char name[TB_SPOOL_TEXT];
    char note[TB_SPOOL_TEXT];
    bool is_refused = file->state == TB_PEEK_REFUSED;
    const char *word = is_refused ? "warn" : is_bad ? "FAIL" : "ok";
    (void)tb_spool_note(look->peek, file, note);
    const char *unit = file->is_more ? "thread" : "record";
    uint64_t n_whole = file->is_more ? file->n_threads : file->n_records;
    printf("%s%-4s%s  %s: ", tb_ink(tb_ink_of(word)), word, tb_ink(TB_INK_NONE),
           tb_spool_escape(file->name, name));
    if (is_refused)
        printf("not looked into: %s\n", note);
    else
        printf("%" PRIu64 " %s%s whole%s%s\n", n_whole, unit, n_whole == 1 ? "" : "s",
               note[0] ? "; " : "", note);
    fputs(tb_buf_str(&verify->places), stdout);
    if (verify->n_places > PLACES_MAX)
        printf("    and %zu more places\n", verify->n_places - PLACES_MAX);
}

static int one(struct tb_look *look, struct tb_peek_file *file, void *arg)
{
    struct verify *verify = arg;
    tb_buf_reset(&verify->places);
    verify->n_places = 0;
    int err = tb_peek_walk(look->peek, file, each_part, verify);
    if (err == -ENOENT)
        return TB_EXIT_WELL;
    if (err < 0)
        snprintf(file->why, sizeof(file->why), "cannot be read: %s", strerror(-err));
    /* Nothing is known of a file that is not read: it is foreign, and nothing is damaged. */
    bool is_refused = err == 0 && file->state == TB_PEEK_REFUSED;
    bool is_bad = err < 0 || tb_spool_is_damaged(file);
    int code = TB_EXIT_WELL;
    if (verify->is_json)
        code = file_json(look, file, verify, is_bad || is_refused);
    else
        file_lines(look, file, verify, is_bad);
    verify->n_files++;
    verify->n_whole += file->n_records;
    verify->n_lost += file->alive ? 0 : file->n_lost;
    verify->n_torn += file->n_torn;
    verify->n_refused += is_refused;
    verify->n_damaged_files += is_bad;
    return is_bad ? TB_EXIT_WRONG : code;
}

/* The agent's own files: what is lost of them costs records read twice, or counts. */
static int check_agent(const struct tb_look *look)
{
    const struct tb_peek_agent *agent = tb_peek_agent(look->peek);
    bool is_bad = agent->n_bad_acks > 0 || agent->n_inflight_bad > 0 || agent->counts_are_bad;
    if (!agent->is_known)
        return TB_EXIT_WELL;
    if (look->cli->json) {
        printf("{\"name\":\"ack.log\",\"place\":\"agent\",\"ok\":%s,\"entries\":%" PRIu64
               ",\"damaged\":%" PRIu64 ",\"inflight_damaged\":%" PRIu64 ",\"counts_damaged\":%s}\n",
               is_bad ? "false" : "true", agent->n_acks, agent->n_bad_acks, agent->n_inflight_bad,
               agent->counts_are_bad ? "true" : "false");
        return is_bad ? TB_EXIT_WRONG : TB_EXIT_WELL;
    }
    const char *word = agent->n_bad_acks > 0 ? "FAIL" : "ok";
    printf("%s%-4s%s  agent/ack.log: %" PRIu64 " entries whole, %" PRIu64 " damaged%s\n",
           tb_ink(tb_ink_of(word)), word, tb_ink(TB_INK_NONE), agent->n_acks, agent->n_bad_acks,
           agent->n_bad_acks > 0 ? ": those records are taken in twice, under the same uuid" : "");
    if (agent->n_inflight_bad > 0)
        printf("FAIL  agent/inflight: %" PRIu64 " entries damaged; they are forgotten\n",
               agent->n_inflight_bad);
    if (agent->counts_are_bad)
        printf("FAIL  agent/counts: damaged; what was evicted and lost is counted from 0 again\n");
    return is_bad ? TB_EXIT_WRONG : TB_EXIT_WELL;
}

static void print_sum(const struct verify *verify)
{
    printf("%s%" PRIu64 " file%s, %" PRIu64 " damaged", verify->n_files > 0 ? "\n" : "",
           verify->n_files, verify->n_files == 1 ? "" : "s", verify->n_damaged_files);
    if (verify->n_refused > 0)
        printf(", %" PRIu64 " not looked into", verify->n_refused);
    printf("; records: %" PRIu64 " whole, %" PRIu64 " lost, %" PRIu64 " torn.\n", verify->n_whole,
           verify->n_lost, verify->n_torn);
}

int tb_spool_verify(struct tb_look *look)
{
    struct verify verify = {.is_json = look->cli->json};
    tb_buf_init(&verify.places, PLACES_BYTES);
    int code = tb_spool_select(look, false, one, &verify);
    if (look->cli->n_words == 0) {
        int got = check_agent(look);
        code = got > code ? got : code;
    }
    if (!look->cli->json)
        print_sum(&verify);
    tb_buf_done(&verify.places);
    tb_spool_say_unknown_acks(look);
    return code;
}
