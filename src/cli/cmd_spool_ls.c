/* cmd_spool_ls.c - towbar spool ls: what is there, one line each. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/print.h"
#include "cli/spool.h"

enum { LINE_BYTES = 16 << 10 };

struct list {
    int64_t now_ms;
    uint64_t n_lines, n_in, n_quarantined, n_pending, bytes;
};

static enum tb_ink ink_of(const struct tb_peek_file *file)
{
    if (file->in_quarantine || file->state == TB_PEEK_DAMAGED || tb_spool_is_damaged(file))
        return TB_INK_RED;
    if (file->state == TB_PEEK_REFUSED)
        return TB_INK_YELLOW;
    return file->alive ? TB_INK_GREEN : TB_INK_NONE;
}

static void print_size(uint64_t bytes, char out[16])
{
    if (bytes < 10240)
        snprintf(out, 16, "%u B", (unsigned)bytes);
    else if (bytes < 10240ull << 10)
        snprintf(out, 16, "%u KiB", (unsigned)(bytes >> 10));
    else
        snprintf(out, 16, "%u MiB", (unsigned)(bytes >> 20 & 0xffffffff));
}

static void print_line(const struct tb_look *look, const struct tb_peek_file *file,
                       const struct list *list)
{
    char name[TB_SPOOL_TEXT];
    char user[TB_SPOOL_USER];
    char note[TB_SPOOL_TEXT];
    char age[TB_AGE_TEXT];
    char size[16];
    if (list->n_lines == 0)
        printf("%s%-36s  %-7s  %-9s  %8s %8s %8s  %-11s  %s%s\n", tb_ink(TB_INK_DIM), "name",
               "class", "owner", "size", "pending", "acked", "made", "state", tb_ink(TB_INK_NONE));
    print_size(file->size, size);
    (void)tb_spool_note(look->peek, file, note);
    printf("%-36s  %-7s  %-9s  %8s %8" PRIu64 " %8" PRIu64 "  %-11s  %s%s%s%s%s\n",
           tb_spool_escape(file->name, name), tb_spool_class_word(file->class_),
           tb_spool_user(file->uid, user), size, file->n_records - file->n_acked, file->n_acked,
           tb_print_age(list->now_ms, tb_spool_born_ms(file), age), tb_ink(ink_of(file)),
           tb_spool_state(file), tb_ink(TB_INK_NONE), note[0] ? ": " : "", note);
}

static int print_json(const struct tb_look *look, const struct tb_peek_file *file)
{
    char line[LINE_BYTES];
    struct tb_json j;
    tb_json_init(&j, line, sizeof(line));
    tb_json_object(&j);
    tb_spool_file_json(&j, look->peek, file);
    tb_json_end(&j);
    int err = tb_json_finish(&j);
    puts(line);
    return err < 0 ? TB_EXIT_WRONG : TB_EXIT_WELL;
}

static int one(struct tb_look *look, struct tb_peek_file *file, void *arg)
{
    struct list *list = arg;
    int code = TB_EXIT_WELL;
    int err = tb_peek_walk(look->peek, file, NULL, NULL);
    if (err == -ENOENT)
        return code; /* gone since it was listed: nothing to say */
    if (err < 0)
        snprintf(file->why, sizeof(file->why), "cannot be read: %s", strerror(-err));
    if (look->cli->json)
        code = print_json(look, file);
    else
        print_line(look, file, list);
    list->n_lines++;
    list->n_in += !file->in_quarantine;
    list->n_quarantined += file->in_quarantine;
    list->n_pending += file->in_quarantine ? 0 : file->n_records - file->n_acked;
    list->bytes += file->bytes;
    return err < 0 ? TB_EXIT_WRONG : code;
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void print_sum(const struct tb_look *look, const struct list *list)
{
    char size[16];
    char command[TB_CLI_COMMAND];
    const struct tb_peek_agent *agent = tb_peek_agent(look->peek);
    print_size(list->bytes, size);
    if (list->n_lines == 0)
        printf("Nothing is in the spool %s.\n", look->path);
    else
        printf("\n%" PRIu64 " file%s and %" PRIu64 " in quarantine, %s on the disk; %" PRIu64
               " record%s to take in.\n",
               list->n_in, plural(list->n_in), list->n_quarantined, size, list->n_pending,
               plural(list->n_pending));
    if (agent->is_known && !agent->is_running && list->n_pending > 0)
        printf("No towbard is running on it: start it, and it takes them in.\n");
    if (list->n_quarantined > 0)
        printf("What could not be used: %s\n",
               tb_cli_command(look->cli, "spool show NAME", command));
    if (tb_peek_is_cut(look->peek))
        printf("There are more than %d names in it: the rest is not shown.\n", TB_PEEK_FILES_MAX);
}

int tb_spool_ls(struct tb_look *look)
{
    struct list list = {.now_ms = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS)};
    int code = tb_spool_select(look, true, one, &list);
    if (!look->cli->json && look->cli->n_words == 0)
        print_sum(look, &list);
    tb_spool_say_unknown_acks(look);
    return code;
}
