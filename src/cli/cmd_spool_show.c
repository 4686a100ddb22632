/* cmd_spool_show.c - towbar spool show NAME: everything about one file, and what to do with it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "cli/print.h"
#include "cli/spool.h"

enum { JSON_BYTES = 4 << 20, RECORDS_SHOWN = 100, OLD_SHOWN = 64 << 10 };

struct show {
    struct tb_json *json; /* NULL: for people */
    uint64_t n_shown;
};

/* ---- the parts ---- */

static const char *part_word(const struct tb_peek_part *part)
{
    static const char *const words[] = {
        [TB_PEEK_RECORD] = "record",   [TB_PEEK_PROCESS] = "process",
        [TB_PEEK_SEAL] = "end",        [TB_PEEK_THREAD] = "thread",
        [TB_PEEK_UNKNOWN] = "unknown", [TB_PEEK_HOLE] = "hole",
        [TB_PEEK_TORN] = "torn",       [TB_PEEK_WRITING] = "being written",
        [TB_PEEK_DAMAGE] = "damaged"};
    return words[part->what];
}

static void part_json(struct tb_json *j, const struct tb_peek_part *part)
{
    char uuid[TB_UUID_TEXT];
    tb_json_object(j);
    tb_json_kstr(j, "what", part_word(part));
    tb_json_kint(j, "offset", (int64_t)part->offset);
    tb_json_kint(j, "end", (int64_t)part->end);
    if (part->what == TB_PEEK_RECORD) {
        tb_id_uuid_text(part->frame.uuid, uuid);
        tb_json_kstr(j, "uuid", uuid);
        tb_json_kstr(j, "kind", tb_spool_kind_word(part->frame.kind));
        tb_json_kint(j, "len", (int64_t)part->len);
        tb_json_kbool(j, "acked", part->is_acked);
    }
    tb_json_end(j);
}

static int each_part(void *arg, const struct tb_peek_file *file, const struct tb_peek_part *part)
{
    struct show *show = arg;
    char text[TB_SPOOL_TEXT] = "";
    char service[TB_SPOOL_USER];
    char uuid[TB_UUID_TEXT] = "";
    (void)file;
    if (show->json) {
        part_json(show->json, part);
        return 0;
    }
    if (show->n_shown++ >= RECORDS_SHOWN)
        return 0;
    if (part->what == TB_PEEK_RECORD) {
        tb_id_uuid_text(part->frame.uuid, uuid);
        (void)tb_spool_message(part, text);
    } else if (part->what == TB_PEEK_PROCESS) {
        snprintf(text, sizeof(text), "%s", tb_spool_service(part, service));
    }
    printf("    %8" PRIu64 " .. %-8" PRIu64 " %-13s %s%s%s%s%s\n", part->offset, part->end,
           part_word(part),
           part->what == TB_PEEK_RECORD ? tb_spool_kind_word(part->frame.kind) : "",
           uuid[0] ? " " : "", uuid, text[0] ? "  " : "", text);
    return 0;
}

/* ---- what to do ---- */

static const char *next_of_quarantined(const struct tb_peek_file *file)
{
    if (file->state == TB_PEEK_OLD)
        return "an earlier version kept the payload alone: it cannot be put back. When it is not "
               "needed any more: spool rm";
    if (file->n_records > 0)
        return "when the cause is mended (often a newer towbard): spool retry puts it back; what "
               "it "
               "says: spool cat; to be rid of it: spool rm";
    return "nothing in it can be read; spool retry lets another version of towbard try; to be rid "
           "of it: spool rm";
}

static const char *next_of_file(const struct tb_peek_file *file, const struct tb_peek_agent *agent)
{
    switch (file->state) {
    case TB_PEEK_LIVE:
        return "nothing: its process is at work, and the agent reads it as it grows";
    case TB_PEEK_WAITING:
        return "nothing: in 5 seconds it has a header, or the agent removes it or puts it away";
    case TB_PEEK_EMPTY:
        return "nothing: the agent removes it";
    case TB_PEEK_DAMAGED:
        return file->alive
                   ? "nothing yet: when its process is gone the agent puts it into quarantine"
                   : "the agent puts it into quarantine";
    case TB_PEEK_REFUSED:
        return "the agent leaves it alone; move it away if it does not belong here: spool rm "
               "--force";
    case TB_PEEK_COMPLETE:
    case TB_PEEK_OLD:
    default:
        break;
    }
    if (file->is_more)
        return "nothing: it is taken in with its slot, and goes with it";
    if (file->n_records == file->n_acked)
        return "nothing: the agent removes it";
    if (agent->is_known && !agent->is_running)
        return "start towbard, which takes its records in; what they say: spool cat";
    return "nothing: the agent takes its records in; what they say: spool cat";
}

/* ---- the whole ---- */

static void header_json(struct tb_json *j, const struct tb_peek_file *file)
{
    tb_json_key(j, "header");
    tb_json_object(j);
    tb_json_key(j, "id");
    tb_json_hexstr(j, file->header.id, sizeof(file->header.id));
    tb_json_key(j, "boot_id");
    tb_json_hexstr(j, file->header.boot_id, sizeof(file->header.boot_id));
    tb_json_kint(j, "pid", file->header.pid);
    tb_json_kint(j, "uid", file->header.uid);
    tb_json_kint(j, "file_bytes", file->header.file_bytes);
    tb_json_khex(j, "created_wall_ns", file->header.created_wall_ns);
    if (file->is_slot)
        tb_json_kint(j, "slot_state", file->slot_state);
    tb_json_end(j);
}

static int show_json(struct tb_look *look, struct tb_peek_file *file)
{
    char *line = malloc(JSON_BYTES);
    struct tb_json j;
    struct show show = {.json = &j};
    if (!line)
        return -ENOMEM;
    int err = tb_peek_walk(look->peek, file, NULL, NULL);
    tb_json_init(&j, line, JSON_BYTES);
    tb_json_object(&j);
    tb_spool_file_json(&j, look->peek, file);
    tb_json_kstr(&j, "next",
                 file->in_quarantine ? next_of_quarantined(file)
                                     : next_of_file(file, tb_peek_agent(look->peek)));
    if (file->has_header)
        header_json(&j, file);
    tb_json_key(&j, "parts");
    tb_json_array(&j);
    if (err == 0)
        err = tb_peek_walk(look->peek, file, each_part, &show);
    tb_json_end(&j);
    tb_json_end(&j);
    (void)tb_json_finish(&j); /* what did not fit is left out; it stays JSON */
    tb_print_json(line, strlen(line));
    putchar('\n');
    free(line);
    return err;
}

static void print_header(const struct tb_peek_file *file)
{
    char id[33];
    char stamp[TB_STAMP_TEXT];
    tb_hex(file->header.id, sizeof(file->header.id), id);
    printf("  header   made %s by pid %lu, uid %lu; id %s%s\n",
           tb_print_stamp(tb_spool_born_ms(file), stamp), (unsigned long)file->header.pid,
           (unsigned long)file->header.uid, id,
           file->was_mended ? "; one flipped bit is put right" : "");
}

static void print_head(const struct tb_look *look, const struct tb_peek_file *file)
{
    char text[TB_SPOOL_TEXT];
    char user[TB_SPOOL_USER];
    printf("%s%s%s\n", tb_ink(TB_INK_BOLD), tb_spool_escape(file->name, text), tb_ink(TB_INK_NONE));
    static const char *const words[] = {"segment", "crash slot", "threads of a crash"};
    printf("  what     %s of class %s, %s\n", words[file->is_more ? 2 : file->is_slot],
           tb_spool_class_word(file->class_), tb_spool_state(file));
    printf("  owner    %s (uid %lu), who %s\n", tb_spool_user(file->uid, user),
           (unsigned long)file->uid, file->alive ? "lives" : "is gone");
    printf("  size     %" PRIu64 " bytes, %" PRIu64 " on the disk\n", file->size, file->bytes);
    if (file->has_header)
        print_header(file);
    if (tb_spool_note(look->peek, file, text)[0])
        printf("  %s   %s\n", file->in_quarantine ? "reason" : "note  ", text);
    if (file->is_more)
        printf("  threads  %" PRIu64 " whole, %" PRIu64 " torn, %" PRIu64 " damaged places\n",
               file->n_threads, file->n_torn, file->n_damaged);
    else
        printf("  records  %" PRIu64 " whole, %" PRIu64 " of them acknowledged; %" PRIu64
               " lost, %" PRIu64 " torn, %" PRIu64 " damaged places\n",
               file->n_records, file->n_acked, file->n_lost, file->n_torn, file->n_damaged);
}

/* A payload that an earlier version kept. Text as it is, made harmless; cut where it is long. */
static void print_old(const struct tb_look *look, const struct tb_peek_file *file)
{
    char path[4096];
    char line[241];
    int n = snprintf(path, sizeof(path), "%s/agent/quarantine/%s", look->path, file->name);
    int fd = n > 0 && n < (int)sizeof(path)
                 ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
                 : -1;
    char *bytes = calloc(1, OLD_SHOWN + 1);
    ssize_t len = fd >= 0 && bytes ? tb_fd_pread_all(fd, bytes, OLD_SHOWN, 0) : 0;
    for (ssize_t at = 0; at < len; at += 240) {
        snprintf(line, sizeof(line), "%.*s", (int)(len - at < 240 ? len - at : 240), bytes + at);
        tb_print_text(line);
    }
    if (len > 0)
        putchar('\n');
    free(bytes);
    tb_fd_close(&fd);
}

static int show_text(struct tb_look *look, struct tb_peek_file *file)
{
    struct show show = {0};
    int err = tb_peek_walk(look->peek, file, NULL, NULL);
    print_head(look, file);
    if (err == 0 && file->has_header)
        err = tb_peek_walk(look->peek, file, each_part, &show);
    if (show.n_shown > RECORDS_SHOWN)
        printf("    and %" PRIu64 " more: --json has them\n", show.n_shown - RECORDS_SHOWN);
    if (file->state == TB_PEEK_OLD)
        print_old(look, file);
    printf("  next     %s\n", file->in_quarantine ? next_of_quarantined(file)
                                                  : next_of_file(file, tb_peek_agent(look->peek)));
    return err;
}

static int one(struct tb_look *look, struct tb_peek_file *file, void *arg)
{
    char name[TB_SPOOL_TEXT];
    (void)arg;
    int err = look->cli->json ? show_json(look, file) : show_text(look, file);
    if (err < 0)
        fprintf(stderr, "towbar: %s: %s\n", tb_spool_escape(file->name, name),
                err == -ENOENT ? "it is gone by now" : strerror(-err));
    return err < 0 ? TB_EXIT_WRONG : TB_EXIT_WELL;
}

int tb_spool_show(struct tb_look *look)
{
    int code = tb_spool_select(look, true, one, NULL);
    tb_spool_say_unknown_acks(look);
    return code;
}
