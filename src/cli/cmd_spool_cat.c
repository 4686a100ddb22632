/* cmd_spool_cat.c - towbar spool cat: the records, in the order in which the agent would take them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/utf8.h"
#include "cli/print.h"
#include "cli/spool.h"

enum { LINE_EXTRA = 16 << 10 };

struct cat {
    const struct tb_look *look;
    char service[TB_SPOOL_USER]; /* of the process record before */
    int64_t n;
    int err;
};

static bool is_utf8(const uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t n = tb_utf8_len((const char *)data + at, len - at);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}

static void add_data(struct tb_json *j, const struct tb_peek_part *part)
{
    bool is_text = part->frame.kind != TB_KIND_CRASH && is_utf8(part->data, part->len);
    tb_json_kstr(j, "encoding", is_text ? "text" : "hex");
    tb_json_key(j, "data");
    if (is_text)
        tb_json_strn(j, (const char *)part->data, part->len);
    else
        tb_json_hexstr(j, part->data, part->len);
}

static int record_json(const struct tb_peek_file *file, const struct tb_peek_part *part)
{
    char uuid[TB_UUID_TEXT];
    char time[24];
    size_t cap = 6 * part->len + LINE_EXTRA; /* every byte may become \u00xx */
    char *line = malloc(cap);
    struct tb_json j;
    if (!line)
        return -ENOMEM;
    tb_id_uuid_text(part->frame.uuid, uuid);
    snprintf(time, sizeof(time), "%" PRIu64, part->frame.time_ns);
    tb_json_init(&j, line, cap);
    tb_json_object(&j);
    tb_json_kstr(&j, "file", file->name);
    tb_json_kint(&j, "offset", (int64_t)part->offset);
    tb_json_kstr(&j, "uuid", uuid);
    tb_json_kstr(&j, "class", tb_spool_class_word(part->frame.class_));
    tb_json_kstr(&j, "kind", tb_spool_kind_word(part->frame.kind));
    tb_json_kstr(&j, "time_ns", time);
    tb_json_kint(&j, "uid", file->uid);
    tb_json_kint(&j, "pid", file->header.pid);
    tb_json_kint(&j, "len", (int64_t)part->len);
    tb_json_kbool(&j, "acked", part->is_acked);
    tb_json_kbool(&j, "truncated", part->frame.flags & TB_FRAME_TRUNCATED);
    add_data(&j, part);
    tb_json_end(&j);
    int err = tb_json_finish(&j);
    tb_print_json(line, strlen(line));
    putchar('\n');
    free(line);
    return err;
}

static void record_line(struct cat *cat, const struct tb_peek_file *file,
                        const struct tb_peek_part *part)
{
    char stamp[TB_STAMP_TEXT];
    char uuid[TB_UUID_TEXT];
    char user[TB_SPOOL_USER];
    char who[2 * TB_SPOOL_USER + 16];
    char message[TB_SPOOL_TEXT];
    if (cat->n++ == 0)
        printf("%s%-23s  %-7s  %-9s  %-24s  %-36s  %s%s\n", tb_ink(TB_INK_DIM), "time", "class",
               "kind", "service/user/pid", "uuid", "message", tb_ink(TB_INK_NONE));
    tb_id_uuid_text(part->frame.uuid, uuid);
    snprintf(who, sizeof(who), "%s/%s/%lu", cat->service[0] ? cat->service : "-",
             tb_spool_user(file->uid, user), (unsigned long)file->header.pid);
    printf("%s  %-7s  %-9s  %-24s  %s  %s%s%s\n",
           tb_print_stamp((int64_t)(part->frame.time_ns / TB_NS_PER_MS), stamp),
           tb_spool_class_word(part->frame.class_), tb_spool_kind_word(part->frame.kind), who, uuid,
           tb_spool_message(part, message), part->frame.flags & TB_FRAME_TRUNCATED ? " [cut]" : "",
           part->is_put_away ? " [in quarantine]"
           : part->is_acked  ? " [acknowledged]"
                             : "");
}

static int each_part(void *arg, const struct tb_peek_file *file, const struct tb_peek_part *part)
{
    struct cat *cat = arg;
    if (part->what == TB_PEEK_PROCESS)
        (void)tb_spool_service(part, cat->service);
    if (part->what != TB_PEEK_RECORD || (part->is_acked && !cat->look->cli->all))
        return 0;
    if (!cat->look->cli->json)
        record_line(cat, file, part);
    else if ((cat->err = record_json(file, part)) < 0)
        return 1;
    return ferror(stdout) ? 1 : 0; /* whoever read has gone: no need to read on */
}

static int one(struct tb_look *look, struct tb_peek_file *file, void *arg)
{
    struct cat *cat = arg;
    char name[TB_SPOOL_TEXT];
    char command[TB_CLI_COMMAND];
    cat->service[0] = '\0';
    cat->err = 0;
    if (file->state == TB_PEEK_OLD) {
        fprintf(stderr, "towbar: %s is a payload alone, kept by an earlier version: %s\n",
                tb_spool_escape(file->name, name),
                tb_cli_command(look->cli, "spool show NAME", command));
        return TB_EXIT_WRONG;
    }
    int err = tb_peek_walk(look->peek, file, each_part, cat);
    err = cat->err < 0 ? cat->err : err;
    if (err < 0 && err != -ENOENT)
        fprintf(stderr, "towbar: %s: %s\n", tb_spool_escape(file->name, name), strerror(-err));
    else if (look->cli->n_words > 0 && !file->has_header)
        fprintf(stderr, "towbar: %s has no records that can be read: %s\n",
                tb_spool_escape(file->name, name), file->why);
    return err < 0 && err != -ENOENT ? TB_EXIT_WRONG : TB_EXIT_WELL;
}

int tb_spool_cat(struct tb_look *look)
{
    struct cat cat = {.look = look};
    int code = tb_spool_select(look, false, one, &cat);
    if (!look->cli->json && cat.n == 0 && code == TB_EXIT_WELL)
        printf("No records%s.\n", look->cli->all ? "" : " that are not acknowledged");
    tb_spool_say_unknown_acks(look);
    return code;
}
