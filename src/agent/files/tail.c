/* tail.c - see tail.h. */
#include "agent/files/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/log.h"
#include "base/clock.h"
#include "base/crc.h"
#include "base/fd.h"

enum { CHECK_BYTES = 256, RESCAN_BYTES = 256 << 10 };

/* ---- which file it is ---- */

static int64_t nanoseconds(const struct statx_timestamp *t)
{
    return t->tv_sec * TB_NS_PER_S + t->tv_nsec;
}

int tb_tail_look(int dirfd, const char *name, struct tb_tail_facts *out)
{
    struct statx stx;
    int flags = AT_SYMLINK_NOFOLLOW | (name[0] == '\0' ? AT_EMPTY_PATH : 0);
    if (statx(dirfd, name, flags, STATX_BASIC_STATS | STATX_BTIME, &stx) < 0)
        return -errno;
    *out = (struct tb_tail_facts){
        .dev = makedev(stx.stx_dev_major, stx.stx_dev_minor),
        .ino = stx.stx_ino,
        .born_ns = (stx.stx_mask & STATX_BTIME) != 0 ? (uint64_t)nanoseconds(&stx.stx_btime) : 0,
        .size = stx.stx_size,
        .mtime_ns = nanoseconds(&stx.stx_mtime),
        .mode = stx.stx_mode,
        .n_links = stx.stx_nlink};
    return 0;
}

/* Of the first bytes and of those before offset. */
static uint64_t check_of(int fd, uint64_t offset)
{
    char bytes[CHECK_BYTES];
    size_t len = offset < CHECK_BYTES ? (size_t)offset : (size_t)CHECK_BYTES;
    ssize_t head = tb_fd_pread_all(fd, bytes, len, 0);
    uint64_t check = head > 0 ? tb_crc32c(0, bytes, (size_t)head) : 0;
    ssize_t tail = tb_fd_pread_all(fd, bytes, len, offset - len);
    return check << 32 | (tail > 0 ? tb_crc32c(0, bytes, (size_t)tail) : 0);
}

void tb_tail_reset(struct tb_tail *tail)
{
    tb_id_random(tail->place.id, sizeof(tail->place.id));
    tail->place.offset = tail->scanned = tail->place.check = 0;
    tail->place.skips = tail->waits = tail->is_kept = false;
    tail->place.born_ns = tail->now.born_ns;
    tail->done_size = 0;
    tail->done_mtime_ns = 0;
    tail->is_checked = true;
}

/* What is in the file now is not read. */
static void go_to_end(struct tb_tail *tail)
{
    char last = '\n';
    tail->place.offset = tail->now.size;
    if (tail->now.size > 0)
        (void)tb_fd_pread_all(tail->fd, &last, 1, tail->now.size - 1);
    tail->place.skips = last != '\n';
    tail->place.check = check_of(tail->fd, tail->place.offset);
}

int tb_tail_open(struct tb_tail *tail, int dirfd, const char *name)
{
    struct tb_tail_facts facts = {.ino = 0};
    int fd =
        openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOATIME);
    if (fd < 0 && errno == EPERM) /* O_NOATIME is for owners */
        fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = tb_tail_look(fd, "", &facts);
    if (!err && (facts.ino != tail->now.ino || facts.dev != tail->now.dev || !S_ISREG(facts.mode)))
        err = -ESTALE;
    if (err) {
        close(fd);
        return err;
    }
    tail->fd = fd;
    tail->used_ns = 0;
    tail->now.size = facts.size;
    if (!tail->has_begun) {
        tb_tail_reset(tail);
        if (tail->begins_at_end)
            go_to_end(tail);
        tail->has_begun = true;
    }
    return 0;
}

void tb_tail_check(struct tb_tail *tail)
{
    uint64_t offset = tail->place.offset;
    tail->is_checked = true;
    if (tail->now.size < offset + tail->scanned)
        tail->scanned = 0;
    if (offset == 0 ||
        (tail->now.size >= offset && check_of(tail->fd, offset) == tail->place.check))
        return;
    tb_log(TB_LOG_INFO, "%s was truncated or written anew: it is read from its beginning",
           tail->place.path);
    tb_tail_reset(tail);
}

bool tb_tail_has_work(const struct tb_tail *tail, uint64_t now_ns)
{
    if (tail->source == NULL)
        return false;
    if (!tail->has_begun || !tail->is_checked || tail->now.size != tail->done_size ||
        tail->now.mtime_ns != tail->done_mtime_ns)
        return true;
    return tail->waits && now_ns - tail->changed_ns >= (uint64_t)TB_TAIL_STILL_MS * TB_NS_PER_MS;
}

/* ---- reading ---- */

static bool is_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

static struct tb_take_line describe(const struct tb_tail *tail, uint64_t at, const char *data,
                                    size_t len)
{
    struct tb_take_line line = {.path = tail->place.path, .at = at, .data = data, .len = len};
    memcpy(line.id, tail->place.id, sizeof(line.id));
    return line;
}

/* 0, or a negative errno when it is to be tried again. */
static int count(struct tb_tail_reader *r, int taken, int64_t *counter)
{
    *counter += taken == TB_TAKEN;
    r->counts->rejected += taken == TB_TAKEN_REJECTED;
    return taken < 0 ? taken : 0;
}

static int reject_long(struct tb_tail_reader *r, const struct tb_tail *tail,
                       const struct tb_line *line)
{
    struct tb_take_line told = describe(tail, line->at, NULL, line->len);
    int taken = tb_take_reject(r->take, &told, "the line is longer than 8 MiB: it was passed over");
    r->counts->too_long += taken > 0;
    return taken < 0 ? taken : 0;
}

static int read_item(struct tb_tail_reader *r, struct tb_tail *tail, const struct tb_line *line)
{
    if (line->data == NULL)
        return reject_long(r, tail, line);
    if (is_blank(line->data, line->len))
        return 0;
    struct tb_take_line told = describe(tail, line->at, line->data, line->len);
    return count(r, tb_take_item(r->take, &told), &r->counts->lines);
}

/* The message, if there is one, ends here. */
static int end_message(struct tb_tail_reader *r, const struct tb_tail *tail)
{
    struct tb_log_message *message = &r->message;
    const struct tb_config_log *log = tail->source->log;
    const struct tb_log_origin origin = {.host = r->host,
                                         .path = tail->place.path,
                                         .service = log->service,
                                         .environment = log->environment[0] != '\0'
                                                            ? log->environment
                                                            : r->take->config->environment,
                                         .framework = log->framework};
    size_t len;
    if (!message->is_open)
        return 0;
    message->is_open = false;
    if (message->level < tail->source->least)
        return 0;
    char *json = tb_log_item(message, &origin, (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS), &len);
    if (json == NULL)
        abort();
    struct tb_take_line told = describe(tail, message->at, json, len);
    int err = count(r, tb_take_made(r->take, &told), &r->counts->messages);
    free(json);
    message->is_open = err != 0;
    return err;
}

static void say_limit(struct tb_files_source *source)
{
    if (source->said_limit)
        return;
    source->said_limit = true;
    tb_log(TB_LOG_WARNING,
           "log_files %s: the pattern needs too many steps for a line, which counts as one that it "
           "does not fit; a pattern that begins with ^ and has fewer * needs less",
           source->path);
}

static int begin_message(struct tb_tail_reader *r, const struct tb_tail *tail,
                         const struct tb_line *line, const struct tb_log_match *match)
{
    int err = end_message(r, tail);
    if (err)
        return err;
    tb_log_message_begin(&r->message, line->at, match);
    if (tb_place_uuid(tail->place.id, line->at, line->data, line->len, r->message.uuid) != 0)
        abort();
    return 0;
}

static int read_log_line(struct tb_tail_reader *r, struct tb_tail *tail, const struct tb_line *line)
{
    struct tb_log_match match = {.begins = false};
    if (line->data == NULL) {
        int err = end_message(r, tail);
        return err ? err : reject_long(r, tail, line);
    }
    bool blank = is_blank(line->data, line->len);
    if (!blank)
        tb_log_rule_match(tail->source->rule, line->data, line->len, &match);
    if (match.gave_up)
        say_limit(tail->source);
    if (match.begins)
        return begin_message(r, tail, line, &match);
    if (r->message.is_open && tb_log_message_add(&r->message, line->data, line->len))
        return 0;
    int err = end_message(r, tail);
    r->counts->unmatched += !err && !blank;
    return err;
}

/* Over such a line the agent died again and again. */
static int reject_deadly(struct tb_tail_reader *r, struct tb_tail *tail,
                         const struct tb_take_line *line)
{
    int err = tail->source->rule != NULL ? end_message(r, tail) : 0;
    int taken = err ? err : tb_take_reject(r->take, line, "the agent died over it three times");
    r->counts->rejected += taken == TB_TAKEN_REJECTED;
    return taken < 0 ? taken : 0;
}

static int read_line(struct tb_tail_reader *r, struct tb_tail *tail, const struct tb_line *line)
{
    struct tb_take_line told = describe(tail, line->at, line->data, line->len);
    if (tb_take_begin(r->take, &told))
        return reject_deadly(r, tail, &told);
    return tail->source->rule != NULL ? read_log_line(r, tail, line) : read_item(r, tail, line);
}

/* Reads lines from place on until there are none, the budget is used up, or one cannot be taken:
 * 0, 1, or a negative errno. place is behind the last that was. */
static int read_lines(struct tb_tail_reader *r, struct tb_tail *tail, struct tb_lines_place *place)
{
    struct tb_line line = {.data = NULL};
    for (;;) {
        int err = tb_take_room(r->take);
        int got = err ? err : tb_lines_next(&r->lines, place, &line);
        if (got != 1)
            return got == -EAGAIN ? 1 : got;
        err = read_line(r, tail, &line);
        if (err)
            return err;
        *place = line.next;
    }
}

int tb_tail_read(struct tb_tail_reader *r, struct tb_tail *tail, uint64_t now_ns)
{
    /* What was looked through is looked through again while that costs nothing: it may be other
     * bytes by now. */
    struct tb_lines_place place = {.offset = tail->place.offset,
                                   .scanned = tail->scanned >= RESCAN_BYTES ? tail->scanned : 0,
                                   .skips = tail->place.skips};
    struct tb_tail_facts facts = tail->now;
    uint64_t before = place.offset;
    r->message.is_open = false;
    tail->used_ns = now_ns;
    tb_lines_begin(&r->lines, tail->fd, TB_TAIL_BUDGET);
    int got = read_lines(r, tail, &place);
    bool is_still = now_ns - tail->changed_ns >= (uint64_t)TB_TAIL_STILL_MS * TB_NS_PER_MS;
    if (got == 0 && r->message.is_open && is_still)
        got = end_message(r, tail);
    tb_take_end(r->take);
    tail->waits = got == 0 && r->message.is_open;
    tail->place.offset = r->message.is_open ? r->message.at : place.offset;
    tail->scanned = r->message.is_open ? 0 : place.scanned;
    tail->place.skips = !r->message.is_open && place.skips;
    if (tail->place.offset != before)
        tail->place.check = check_of(tail->fd, tail->place.offset);
    if (got == 0) {
        tail->done_size = facts.size;
        tail->done_mtime_ns = facts.mtime_ns;
    }
    return got;
}
