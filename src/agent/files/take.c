/* take.c - see take.h. */
#include "agent/files/take.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/files/place.h"
#include "agent/log.h"
#include "base/clock.h"
#include "base/crc.h"
#include "base/fd.h"
#include "base/json.h"
#include "item/doc.h"
#include "item/read.h"

enum {
    ALWAYS_BYTES = 16 << 20, /* as the spool's own rule has it (docs/spool-format.md 9) */
    KEEP_FREE_MAX = 1 << 30,
    PART = 4, /* of what the spool may have */
    ROOM_MS = 100,
    REJECTED_OTHER = 64 << 10,
    ESCAPED = 6,
    SAY_S = 10,
    FORGET_S = 3600 /* what the pipeline has put away whole keeps its name */
};

/* ---- life ---- */

static void init(struct tb_take *take, const struct tb_config *config)
{
    memset(take, 0, sizeof(*take));
    take->config = config;
    take->state_fd = take->in_fd = take->inflight.fd = -1;
    for (int i = 0; i < TB_N_CLASSES; i++)
        take->current[i].fd = -1;
}

int tb_take_open(const struct tb_config *config, struct tb_take *out, char why[TB_SPOOL_WHY])
{
    char path[4096];
    init(out, config);
    int len = snprintf(path, sizeof(path), "%s/" TB_TAKE_FOLDER, config->state_dir);
    if (len > 0 && (size_t)len < sizeof(path)) {
        (void)mkdir(path, 0700);
        out->state_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (out->state_fd < 0) {
        int err = -errno;
        snprintf(why, TB_SPOOL_WHY, "cannot use the folder %.200s/" TB_TAKE_FOLDER ": %s",
                 config->state_dir, strerror(-err));
        return err;
    }
    tb_inflight_open(&out->inflight, out->state_fd);
    int err = tb_ingest_open(&out->ingest, config->spool, why);
    if (err) {
        tb_take_close(out);
        return err;
    }
    out->has_ingest = 1;
    len = snprintf(path, sizeof(path), "%s/in", config->spool);
    if (len > 0 && (size_t)len < sizeof(path))
        out->in_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return 0;
}

void tb_take_close(struct tb_take *take)
{
    if (take->has_ingest)
        tb_ingest_close(&take->ingest);
    for (int i = 0; i < TB_N_CLASSES; i++)
        tb_fd_close(&take->current[i].fd);
    for (size_t i = 0; i < take->n_full; i++)
        tb_fd_close(&take->full[i].fd);
    tb_inflight_close(&take->inflight);
    tb_fd_close(&take->in_fd);
    tb_fd_close(&take->state_fd);
    init(take, take->config);
}

/* ---- room ---- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Forgets the segments that the pipeline is done with; the bytes of the others. */
static uint64_t waiting_bytes(struct tb_take *take)
{
    uint64_t now = tb_clock_mono_ns();
    uint64_t bytes = 0;
    size_t n = 0;
    for (size_t i = 0; i < take->n_full; i++) {
        struct tb_take_segment *segment = &take->full[i];
        struct stat st;
        if (fstat(segment->fd, &st) < 0 || st.st_nlink == 0 ||
            now - segment->since_ns > (uint64_t)FORGET_S * TB_NS_PER_S) {
            tb_fd_close(&segment->fd);
            continue;
        }
        bytes += segment->bytes;
        take->full[n++] = *segment;
    }
    take->n_full = n;
    return bytes;
}

/* What the spool may use, by the rule of docs/spool-format.md 9; used: what of it is ours. */
static uint64_t may_use(const struct tb_take *take, uint64_t used)
{
    const struct tb_config *c = take->config;
    struct statvfs fs;
    uint64_t cap = c->max_bytes;
    if (statvfs(c->spool, &fs) == 0) {
        uint64_t size = (uint64_t)fs.f_blocks * fs.f_frsize;
        uint64_t keep = smaller(size / 100 * c->keep_free_percent, KEEP_FREE_MAX);
        uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize + used;
        cap = smaller(smaller(cap, size / 100 * c->max_percent), room > keep ? room - keep : 0);
    }
    return cap > ALWAYS_BYTES ? cap : ALWAYS_BYTES;
}

int tb_take_room(struct tb_take *take)
{
    uint64_t now = tb_clock_tick_ns();
    if (atomic_load(&take->is_left))
        return -ECANCELED;
    if (take->n_full == 0 || now - take->room_at_ns < (uint64_t)ROOM_MS * TB_NS_PER_MS)
        return 0;
    uint64_t bytes = waiting_bytes(take);
    int is_room = take->n_full < TB_TAKE_SEGMENTS && bytes <= may_use(take, bytes) / PART;
    take->room_at_ns = is_room ? now : 0;
    return is_room ? 0 : -EXFULL;
}

/* Notes into which segment of its class a record went. */
static void note_segment(struct tb_take *take, int class_, size_t len)
{
    struct tb_take_segment *current = &take->current[class_];
    int fd = tb_writer_fd(&take->ingest.writers[class_]);
    char path[64];
    struct stat now;
    struct stat before;
    if (fd < 0 || fstat(fd, &now) < 0)
        return;
    if (current->fd >= 0 && fstat(current->fd, &before) == 0 && before.st_ino == now.st_ino &&
        before.st_dev == now.st_dev) {
        current->bytes += len;
        return;
    }
    take->room_at_ns = 0;
    if (current->fd >= 0 && take->n_full < TB_TAKE_SEGMENTS)
        take->full[take->n_full++] = *current;
    else
        tb_fd_close(&current->fd);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    *current = (struct tb_take_segment){
        .fd = open(path, O_PATH | O_CLOEXEC), .bytes = len, .since_ns = tb_clock_mono_ns()};
}

/* ---- what is put aside ---- */

/* Makes room: the file that is full takes the place of the one before. */
static int open_rejected(const struct tb_take *take)
{
    struct stat st;
    for (int i = 0; i < 2; i++) {
        int fd = openat(take->state_fd, TB_TAKE_REJECTED,
                        O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (fd < 0)
            return -errno;
        if (fstat(fd, &st) == 0 && st.st_size < TB_TAKE_REJECTED_BYTES)
            return fd;
        int err = tb_fd_sync(fd); /* nobody comes back to it */
        close(fd);
        if (err)
            return err;
        if (renameat(take->state_fd, TB_TAKE_REJECTED, take->state_fd, TB_TAKE_REJECTED_OLD) < 0)
            return -errno;
    }
    return -EFBIG;
}

static int write_rejected(const struct tb_take *take, const struct tb_buf *line)
{
    int fd = open_rejected(take);
    if (fd < 0)
        return fd;
    off_t before = lseek(fd, 0, SEEK_END);
    int err = tb_fd_write_all(fd, tb_buf_str(line), line->len);
    if (err && before >= 0)
        (void)!ftruncate(fd, before); /* else half an object stays */
    close(fd);
    return err;
}

/* The first of a while is told: a file may hold very many. */
static void say_rejected(struct tb_take *take, const struct tb_take_line *line, const char *why)
{
    uint64_t now = tb_clock_mono_ns();
    if (take->said_ns != 0 && now - take->said_ns < (uint64_t)SAY_S * TB_NS_PER_S)
        return;
    take->said_ns = now;
    tb_log(TB_LOG_WARNING,
           "%s: the line at byte %llu is put aside in %s/" TB_TAKE_FOLDER "/" TB_TAKE_REJECTED
           ": %s",
           line->path, (unsigned long long)line->at, take->config->state_dir, why);
}

int tb_take_reject(struct tb_take *take, const struct tb_take_line *line, const char *why)
{
    size_t len = line->data == NULL                  ? 0
                 : line->len < TB_TAKE_REJECTED_LINE ? line->len
                                                     : (size_t)TB_TAKE_REJECTED_LINE;
    size_t cap = len * ESCAPED + REJECTED_OTHER;
    struct tb_buf out;
    struct tb_json j;
    char *mem = malloc(cap);
    if (mem == NULL)
        return -ENOMEM;
    tb_json_init(&j, mem, cap);
    tb_json_object(&j);
    tb_json_kint(&j, "at", (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS));
    tb_json_kstr(&j, "file", line->path);
    tb_json_kint(&j, "offset", (int64_t)line->at);
    tb_json_kstr(&j, "why", why);
    tb_json_kint(&j, "bytes", (int64_t)line->len);
    if (line->data != NULL) {
        tb_json_key(&j, "line");
        tb_json_strn(&j, line->data, len);
    }
    (void)tb_json_finish(&j);
    tb_buf_init(&out, cap + 2);
    tb_buf_add(&out, mem, j.len);
    tb_buf_adds(&out, "\n");
    free(mem);
    int err = out.err ? out.err : write_rejected(take, &out);
    tb_buf_done(&out);
    if (err)
        return err;
    take->has_rejected = 1;
    say_rejected(take, line, why);
    return TB_TAKEN_REJECTED;
}

/* ---- what is in hand ---- */

/* A line's name there: of its file and of its place. Two lines that share one share their deaths.
 */
static uint64_t name_of(const struct tb_take_line *line, uint32_t *at)
{
    uint64_t file;
    memcpy(&file, line->id, sizeof(file));
    *at = tb_crc32c(0, &line->at, sizeof(line->at));
    return file;
}

bool tb_take_begin(struct tb_take *take, const struct tb_take_line *line)
{
    uint32_t at;
    uint64_t file = name_of(line, &at);
    struct tb_suspect *suspect = tb_inflight_find(&take->inflight, file, at);
    tb_inflight_begin(&take->inflight, file, at);
    return suspect != NULL && suspect->deaths >= TB_DEATHS_MAX;
}

void tb_take_end(struct tb_take *take)
{
    tb_inflight_clear(&take->inflight);
}

/* ---- what is taken ---- */

/* Is there a uuid by ingest's rule: a string with something in it? */
static int has_uuid(const struct tb_doc *doc, int data)
{
    int node = tb_doc_member(doc, data, "uuid");
    return node >= 0 && tb_doc_at(doc, node)->type == TB_DOC_STRING &&
           tb_doc_at(doc, node)->len > 2;
}

static int add_uuid(struct tb_doc *doc, int data, const struct tb_take_line *line,
                    struct tb_buf *out)
{
    uint8_t uuid[TB_UUID_BYTES];
    char json[TB_UUID_TEXT + 2];
    int err = tb_place_uuid(line->id, line->at, line->data, line->len, uuid);
    json[0] = '"';
    tb_id_uuid_text(uuid, json + 1);
    memcpy(json + TB_UUID_TEXT, "\"", 2);
    if (!err)
        err = tb_doc_set(doc, data, "uuid", json, strlen(json));
    return err ? err : tb_doc_render(doc, out);
}

/* The line with its uuid in out, which stays empty when the line needs nothing: 0; -EBADMSG with
 * why when it is no JSON; -ENOMEM. What else is wrong with it ingest tells. */
static int complete(const struct tb_take_line *line, struct tb_buf *out, char why[TB_DOC_WHY])
{
    struct tb_doc *doc = NULL;
    int err = tb_doc_new(line->data, line->len, &doc, why);
    if (err == -EMSGSIZE)
        err = tb_doc_new_large(line->data, line->len, &doc, why);
    if (err)
        return err == -ENOMEM ? err : -EBADMSG;
    int data = tb_doc_at(doc, 0)->type == TB_DOC_OBJECT ? tb_item_data(doc) : -1;
    if (data > 0 && !has_uuid(doc, data))
        err = add_uuid(doc, data, line, out);
    tb_doc_free(doc);
    return err;
}

/* Through ingest into the spool: as tb_take_item. */
static int append(struct tb_take *take, const char *text, size_t len,
                  const struct tb_take_line *line)
{
    struct tb_ingest_item item;
    int taken = tb_ingest_prepare(text, len, NULL, 1, &item);
    if (!taken && item.reply.status == 0) {
        size_t n_bytes = item.text.len;
        int class_ = item.class_;
        tb_ingest_append(&take->ingest, &item);
        if (item.reply.status == 200) {
            take->is_dirty = 1;
            note_segment(take, class_, n_bytes);
        }
    }
    if (!taken)
        taken = item.reply.status == 200   ? TB_TAKEN
                : item.reply.status == 503 ? -ENOSPC
                                           : tb_take_reject(take, line, item.reply.message);
    tb_ingest_done(&item);
    return taken;
}

int tb_take_item(struct tb_take *take, const struct tb_take_line *line)
{
    struct tb_buf completed;
    char why[TB_DOC_WHY];
    tb_buf_init(&completed, TB_DOC_BYTES + TB_UUID_TEXT + 64);
    int taken = complete(line, &completed, why);
    if (taken == -EBADMSG)
        taken = tb_take_reject(take, line, why);
    else if (!taken && completed.len > 0)
        taken = append(take, tb_buf_str(&completed), completed.len, line);
    else if (!taken)
        taken = append(take, line->data, line->len, line);
    tb_buf_done(&completed);
    return taken;
}

int tb_take_made(struct tb_take *take, const struct tb_take_line *line)
{
    return append(take, line->data, line->len, line);
}

static int sync_rejected(struct tb_take *take)
{
    int fd = openat(take->state_fd, TB_TAKE_REJECTED, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int err = fd < 0 ? -errno : tb_fd_sync(fd);
    tb_fd_close(&fd);
    return err == -ENOENT ? 0 : err; /* somebody has read it and taken it away */
}

int tb_take_sync(struct tb_take *take)
{
    if (atomic_load(&take->is_left))
        return -ECANCELED;
    int err = take->has_rejected ? sync_rejected(take) : 0;
    if (err)
        return err;
    take->has_rejected = 0;
    if (!take->is_dirty || take->in_fd < 0)
        return 0;
    if (syncfs(take->in_fd) < 0)
        return -errno;
    take->is_dirty = 0;
    return 0;
}
