/* sweep_keep.c - see sweep.h: what is kept in the state folder, what is open, what is removed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/files/remove.h"
#include "agent/files/sweep_internal.h"
#include "agent/log.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"

#define PLACES "places"
#define BAD_PLACES "places.bad"

enum { FORGET_S = 7 * 24 * 3600 };

/* ---- sources ---- */

static int add_source(struct tb_sweep *s, const char *path, const struct tb_config_log *log,
                      char why[TB_SPOOL_WHY])
{
    struct tb_files_source *source = &s->sources[s->n_sources++];
    char said[TB_LOG_WHY];
    *source = (struct tb_files_source){
        .path = path, .log = log, .key = tb_place_source(log != NULL ? 'l' : 'r', path)};
    if (log == NULL)
        return 0;
    int least = log->level[0] != '\0' ? tb_log_severity(log->level, strlen(log->level))
                                      : (int)TB_SEVERITY_WARNING;
    source->least = least >= 0 ? (enum tb_log_severity)least : TB_SEVERITY_WARNING;
    source->is_new = true;
    int err = tb_log_rule_new(log->pattern, &source->rule, said);
    if (err)
        snprintf(why, TB_SPOOL_WHY, "log_files %.60s: pattern: %.390s", path,
                 err == -EINVAL ? said : strerror(-err));
    return err;
}

static int add_sources(struct tb_sweep *s, char why[TB_SPOOL_WHY])
{
    const struct tb_config *c = s->config;
    s->sources = calloc(c->n_rollbar_files + c->n_logs, sizeof(*s->sources));
    if (s->sources == NULL)
        return -ENOMEM;
    int err = 0;
    for (size_t i = 0; i < c->n_rollbar_files && !err; i++)
        err = add_source(s, c->rollbar_files[i], NULL, why);
    for (size_t i = 0; i < c->n_logs && !err; i++)
        err = add_source(s, c->logs[i].path, &c->logs[i], why);
    return err;
}

static struct tb_files_source *source_of(const struct tb_sweep *s, uint32_t key)
{
    for (size_t i = 0; i < s->n_sources; i++)
        if (s->sources[i].key == key)
            return &s->sources[i];
    return NULL;
}

/* ---- places ---- */

static void take_place(struct tb_sweep *s, const struct tb_place *place)
{
    struct tb_tail *tail = tb_table_find(&s->table, place->dev, place->ino) == NULL
                               ? tb_table_add(&s->table, place->dev, place->ino, place->path)
                               : NULL;
    if (tail == NULL)
        return;
    char *path = tail->place.path;
    tail->place = *place;
    tail->place.path = path;
    tail->kept_offset = place->offset;
    tail->has_begun = tail->is_kept = true;
    tail->source = source_of(s, place->source);
}

static void take_places(struct tb_sweep *s, const struct tb_places *places)
{
    for (size_t i = 0; i < places->n; i++)
        take_place(s, &places->list[i]);
    for (size_t i = 0; i < places->n_watched; i++) {
        struct tb_files_source *source = source_of(s, places->watched[i]);
        s->watched[s->n_watched++] = places->watched[i];
        if (source != NULL)
            source->is_new = false;
    }
}

/* Places that cannot be read are put aside: what is in the spool twice then is known by its uuid
 * where it has one of its own. */
static int read_places(struct tb_sweep *s, char why[TB_SPOOL_WHY])
{
    struct tb_buf text;
    struct tb_places places = {.list = NULL};
    tb_buf_init(&text, TB_PLACES_BYTES);
    int err = tb_fd_slurp(s->take.state_fd, PLACES, &text);
    if (!err)
        err = tb_places_read(tb_buf_str(&text), text.len, &places);
    if (!err) {
        take_places(s, &places);
    } else if (err == -EBADMSG || err == -EMSGSIZE) {
        tb_log(TB_LOG_ERROR,
               "%s/" TB_TAKE_FOLDER "/" PLACES " is damaged and was put aside as " BAD_PLACES
               ": .rollbar files are read from their beginning, logs from their end",
               s->config->state_dir);
        err = renameat(s->take.state_fd, PLACES, s->take.state_fd, BAD_PLACES) < 0 ? -errno : 0;
    } else if (err == -ENOENT) {
        err = 0;
    }
    tb_places_done(&places);
    tb_buf_done(&text);
    if (err)
        snprintf(why, TB_SPOOL_WHY, "cannot read %.200s/" TB_TAKE_FOLDER "/" PLACES ": %s",
                 s->config->state_dir, strerror(-err));
    return err;
}

static bool is_there(const struct tb_sweep *s, const struct tb_tail *tail)
{
    return tail->fd >= 0 || tail->sweep + 1 >= s->number;
}

/* Of a file that is gone the place is kept for a while: it may be on a disk that comes again. */
static void forget_gone(struct tb_sweep *s)
{
    uint64_t now_s = tb_clock_wall_ns() / TB_NS_PER_S;
    size_t n = tb_table_list(&s->table, s->list);
    for (size_t i = 0; i < n; i++)
        if (!is_there(s, s->list[i]) && s->list[i]->place.seen_s + FORGET_S < now_s)
            tb_table_remove(&s->table, s->list[i]);
}

int tb_sweep_keep(struct tb_sweep *s)
{
    struct tb_places places = {.watched = s->watched, .n_watched = s->n_watched};
    struct tb_buf text;
    int err = tb_take_sync(&s->take);
    if (err)
        return err;
    places.list = calloc(TB_PLACES_MAX, sizeof(*places.list));
    if (places.list == NULL)
        return -ENOMEM;
    forget_gone(s);
    s->n_list = tb_table_list(&s->table, s->list);
    for (size_t i = 0; i < s->n_list; i++)
        if (s->list[i]->has_begun)
            places.list[places.n++] = s->list[i]->place; /* the path stays the table's */
    tb_buf_init(&text, TB_PLACES_BYTES);
    tb_places_write(&places, &text);
    err = atomic_load(&s->take.is_left) ? -ECANCELED /* another's places are there by now */
          : text.err                    ? text.err
                     : tb_fd_replace(s->take.state_fd, PLACES, text.data, text.len);
    tb_buf_done(&text);
    free(places.list);
    for (size_t i = 0; i < s->n_list && !err; i++) {
        s->list[i]->is_kept = s->list[i]->has_begun;
        s->list[i]->kept_offset = s->list[i]->place.offset;
    }
    s->is_changed = err != 0;
    s->kept_ns = s->now_ns;
    return err;
}

void tb_sweep_note_watched(struct tb_sweep *s, struct tb_files_source *source)
{
    source->is_new = false;
    if (s->n_watched == TB_PLACES_WATCHED_MAX) { /* the oldest is of a setting of long ago */
        memmove(s->watched, s->watched + 1, (s->n_watched - 1) * sizeof(s->watched[0]));
        s->n_watched--;
    }
    s->watched[s->n_watched++] = source->key;
    s->is_changed = true;
}

void tb_sweep_forget_one(struct tb_sweep *s)
{
    struct tb_tail *oldest = NULL;
    size_t n = tb_table_list(&s->table, s->list);
    for (size_t i = 0; i < n; i++) {
        struct tb_tail *tail = s->list[i];
        if (tail->fd < 0 && (!is_there(s, tail) || tail->trouble != 0) &&
            (oldest == NULL || tail->place.seen_s < oldest->place.seen_s))
            oldest = tail;
    }
    if (oldest != NULL)
        tb_table_remove(&s->table, oldest);
    s->n_list = 0; /* it was the list of a moment */
}

/* ---- descriptors ---- */

void tb_sweep_close_tail(struct tb_sweep *s, struct tb_tail *tail)
{
    if (tail->fd < 0)
        return;
    tb_fd_close(&tail->fd);
    s->n_open--;
}

/* Is it better to close a than b? One with nothing to be read, then one that was read longest ago.
 */
static bool is_better(const struct tb_sweep *s, const struct tb_tail *a, const struct tb_tail *b)
{
    bool a_works = tb_tail_has_work(a, s->now_ns);
    bool b_works = tb_tail_has_work(b, s->now_ns);
    return a_works != b_works ? b_works : a->used_ns < b->used_ns;
}

/* Files that never end must not keep others from being read: what was read since it was opened, and
 * can be opened again by its name, may be closed. */
static void close_one(struct tb_sweep *s)
{
    struct tb_tail *best = NULL;
    size_t n = tb_table_list(&s->table, s->list);
    for (size_t i = 0; i < n; i++) {
        struct tb_tail *tail = s->list[i];
        bool may = tail->fd >= 0 &&
                   (!tb_tail_has_work(tail, s->now_ns) || (tail->is_now && tail->used_ns != 0));
        if (may && (best == NULL || is_better(s, tail, best)))
            best = tail;
    }
    if (best != NULL)
        tb_sweep_close_tail(s, best);
}

int tb_sweep_open_tail(struct tb_sweep *s, struct tb_tail *tail, int dirfd, const char *name)
{
    if (s->n_open >= TB_SWEEP_OPEN)
        close_one(s);
    if (s->n_open >= TB_SWEEP_OPEN) {
        s->has_more = true;
        return 0;
    }
    int err = tb_tail_open(tail, dirfd, name);
    if (err == 0)
        s->n_open++;
    if (err == -ESTALE || err == -ENOENT || err == -EMFILE || err == -ENFILE)
        return 0; /* the next sweep knows more */
    return err;
}

/* ---- removing ---- */

void tb_sweep_remove(struct tb_sweep *s, struct tb_tail *tail, int dirfd, const char *name)
{
    int pid;
    int64_t still_ns = (int64_t)TB_REMOVE_STILL_S * TB_NS_PER_S;
    if (atomic_load(&s->ends) || !s->config->removes_rollbar_files || !tail->is_now ||
        tail->source->rule != NULL || !tb_remove_name(name, &pid) || !tail->is_kept ||
        tail->is_stuck || tail->kept_offset != tail->now.size ||
        tail->done_size != tail->now.size || tail->place.skips ||
        (int64_t)tb_clock_wall_ns() - tail->now.mtime_ns < still_ns ||
        (pid > 0 && !tb_remove_is_gone(pid, tail->now.mtime_ns)))
        return;
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct tb_tail_facts facts;
    bool is_it = fd >= 0 && tb_tail_look(fd, "", &facts) == 0 && facts.ino == tail->now.ino &&
                 facts.dev == tail->now.dev && facts.size == tail->now.size &&
                 tb_remove_is_closed(fd);
    tb_fd_close(&fd);
    if (!is_it)
        return;
    if (unlinkat(dirfd, name, 0) < 0) {
        tail->is_stuck = true;
        tb_log(TB_LOG_WARNING, "cannot remove %s: %s", tail->place.path, strerror(errno));
        return;
    }
    s->counts.removed++;
    s->is_changed = true;
    tb_sweep_close_tail(s, tail);
    tb_table_remove(&s->table, tail);
}

/* ---- life ---- */

int tb_sweep_open(const struct tb_config *config, struct tb_sweep *out, char why[TB_SPOOL_WHY])
{
    memset(out, 0, sizeof(*out));
    out->config = config;
    out->inotify_fd = -1;
    out->take.state_fd = out->take.in_fd = -1;
    tb_lines_init(&out->reader.lines);
    tb_log_message_init(&out->reader.message);
    out->reader.take = &out->take;
    out->reader.counts = &out->counts;
    if (gethostname(out->reader.host, sizeof(out->reader.host) - 1) < 0)
        out->reader.host[0] = '\0';
    int err = tb_take_open(config, &out->take, why);
    if (!err)
        err = add_sources(out, why);
    out->list = calloc(TB_PLACES_MAX, sizeof(*out->list));
    if (!err && out->list == NULL)
        err = -ENOMEM;
    return err ? err : read_places(out, why);
}

void tb_sweep_close(struct tb_sweep *s)
{
    if (s->is_changed && s->list != NULL)
        (void)tb_sweep_keep(s);
    tb_table_clear(&s->table);
    for (size_t i = 0; i < s->n_sources; i++)
        tb_log_rule_free(s->sources[i].rule);
    free(s->sources);
    free(s->list);
    tb_lines_done(&s->reader.lines);
    tb_log_message_done(&s->reader.message);
    tb_take_close(&s->take);
}
