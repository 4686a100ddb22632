/* fuzz_rollbar_file.c - a file of errors, as a stranger writes it: its lines, as messages of a log
 * too, and the file of places. The first byte says which pattern, and where a piece ends that came
 * first. Lines are where "\n" is, and nowhere else. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/files/lines.h"
#include "agent/files/log_item.h"
#include "agent/files/log_rule.h"
#include "agent/files/place.h"

enum { BUDGET = 64 << 20 };

static const char *const patterns[] = {"", "^(?<time>\\S+) (?<level>\\S*) (?<message>.*)$",
                                       "(?<level>a|b)+(?<message>(x+)*y)?", "^(a+)+$"};
static struct tb_log_rule *rules[4];

static void try_item(const struct tb_log_message *message)
{
    static const struct tb_log_origin origin = {"h", "/p", "", "e", ""};
    size_t len;
    char *json = tb_log_item(message, &origin, 0, &len);
    if (json == NULL || len == 0 || json[len - 1] != '}')
        abort();
    free(json);
}

static void try_line(struct tb_log_rule *rule, const struct tb_line *line,
                     struct tb_log_message *message)
{
    struct tb_log_match match;
    tb_log_rule_match(rule, line->data, line->len, &match);
    if (match.begins &&
        (match.message < line->data || match.message + match.message_len > line->data + line->len))
        abort();
    if (match.begins)
        tb_log_message_begin(message, line->at, &match);
    else if (message->is_open && !tb_log_message_add(message, line->data, line->len))
        message->is_open = false;
    if (message->is_open)
        try_item(message);
}

/* Reads what is there: where the next line begins. */
static void read_on(struct tb_lines *lines, int fd, const uint8_t *data,
                    struct tb_lines_place *place, struct tb_log_rule *rule)
{
    struct tb_log_message message;
    struct tb_line line;
    tb_log_message_init(&message);
    tb_lines_begin(lines, fd, BUDGET);
    while (tb_lines_next(lines, place, &line) == 1) {
        if (line.data != NULL &&
            (memcmp(line.data, data + line.at, line.len) != 0 || data[line.at + line.len] != '\n' ||
             memchr(line.data, '\n', line.len) != NULL))
            abort();
        if (line.data != NULL)
            try_line(rule, &line, &message);
        if (line.next.offset <= place->offset)
            abort();
        *place = line.next;
    }
    tb_log_message_done(&message);
}

static void try_places(const uint8_t *data, size_t size)
{
    struct tb_places places;
    struct tb_buf text;
    int err = tb_places_read((const char *)data, size, &places);
    tb_buf_init(&text, TB_PLACES_BYTES);
    if (err == 0) {
        tb_places_write(&places, &text);
        struct tb_places again;
        if (tb_places_read(text.data, text.len, &again) != 0 || again.n != places.n)
            abort();
        tb_places_done(&again);
    }
    tb_buf_done(&text);
    tb_places_done(&places);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[TB_LOG_WHY];
    if (size == 0)
        return 0;
    unsigned which = data[0] % 4;
    size_t cut = (size_t)(data[0] / 4) * (size - 1) / 64;
    if (rules[which] == NULL && tb_log_rule_new(patterns[which], &rules[which], why) != 0)
        abort();
    try_places(data + 1, size - 1);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct tb_lines lines;
    struct tb_lines_place place = {.offset = 0};
    tb_lines_init(&lines);
    if (fd < 0 || write(fd, data + 1, cut) != (ssize_t)cut)
        abort();
    read_on(&lines, fd, data + 1, &place, rules[which]);
    if (pwrite(fd, data + 1 + cut, size - 1 - cut, (off_t)cut) != (ssize_t)(size - 1 - cut))
        abort();
    read_on(&lines, fd, data + 1, &place, rules[which]);
    if (place.offset > size - 1)
        abort();
    tb_lines_done(&lines);
    close(fd);
    return 0;
}
