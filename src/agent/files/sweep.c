/* sweep.c - see sweep.h. What is kept, and opening and closing, is in sweep_keep.c. */
#include "agent/files/sweep_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/files/names.h"
#include "agent/log.h"
#include "base/clock.h"

enum { IDLE_S = 60, UNLINKED_S = 10 };

static const char *const rollbar_suffixes[] = {".rollbar", ".ratchet", NULL};
static const char *const log_suffixes[] = {".log", NULL};

/* ---- what is found ---- */

static void say_trouble(struct tb_tail *tail, int trouble)
{
    tail->trouble = trouble;
    if (trouble == 0 || trouble == tail->said)
        return;
    tail->said = trouble;
    if (trouble == -ELOOP)
        tb_log(TB_LOG_WARNING, "%s is a symbolic link, which is not followed: name the file itself",
               tail->place.path);
    else if (trouble == -ENOTSUP)
        tb_log(TB_LOG_WARNING, "%s is no regular file and is left alone", tail->place.path);
    else if (trouble == -EMLINK)
        tb_log(TB_LOG_WARNING, "%s has a second name (hard link) and is left alone",
               tail->place.path);
    else if (trouble == -EACCES)
        tb_log(TB_LOG_WARNING, "cannot read %s: %s; let the agent's user read it", tail->place.path,
               strerror(-trouble));
    else
        tb_log(TB_LOG_WARNING, "cannot read %s: %s", tail->place.path, strerror(-trouble));
}

/* What is no file to be read: a negative errno, or 0. */
static int judge(const struct tb_tail_facts *facts)
{
    if (S_ISLNK(facts->mode))
        return -ELOOP;
    if (!S_ISREG(facts->mode))
        return -ENOTSUP;
    return facts->n_links > 1 ? -EMLINK : 0;
}

static void note_facts(const struct tb_sweep *s, struct tb_tail *tail,
                       const struct tb_tail_facts *facts)
{
    const uint64_t still_ns = (uint64_t)TB_TAIL_STILL_MS * TB_NS_PER_MS;
    int64_t age_ns = (int64_t)tb_clock_wall_ns() - facts->mtime_ns;
    bool is_first = tail->changed_ns == 0;
    if (is_first || facts->size != tail->now.size || facts->mtime_ns != tail->now.mtime_ns)
        tail->changed_ns =
            is_first && age_ns > (int64_t)still_ns ? s->now_ns - still_ns : s->now_ns;
    tail->now = *facts;
    tail->sweep = s->number;
    tail->place.seen_s = tb_clock_wall_ns() / TB_NS_PER_S;
    if (tail->has_begun && tail->place.born_ns != 0 && facts->born_ns != 0 &&
        tail->place.born_ns != facts->born_ns)
        tb_tail_reset(tail); /* another file with the same inode */
}

/* The file's entry in the table, or NULL when it is none of ours. */
static struct tb_tail *know(struct tb_sweep *s, const struct tb_names_entry *entry,
                            const struct tb_tail_facts *facts, const char *path)
{
    struct tb_tail *tail = tb_table_find(&s->table, facts->dev, facts->ino);
    if (tail == NULL && (tail = tb_table_find_moved(&s->table, facts, path)) != NULL)
        tail->place.dev = facts->dev;
    if (tail != NULL || !entry->fits)
        return tail;
    if (s->table.n >= TB_PLACES_MAX)
        tb_sweep_forget_one(s);
    tail = tb_table_add(&s->table, facts->dev, facts->ino, path);
    if (tail == NULL && !s->said_full) {
        s->said_full = true;
        tb_log(TB_LOG_WARNING, "%d files are watched, and no more can be: %s and others wait",
               TB_PLACES_MAX, path);
    }
    return tail;
}

struct visit {
    struct tb_sweep *sweep;
    struct tb_files_source *source;
};

static void name_anew(struct tb_tail *tail, struct tb_files_source *source, const char *path)
{
    tail->is_now = true;
    if (tail->source == NULL && !tail->has_begun)
        tail->begins_at_end = source->rule != NULL && source->is_new;
    tail->source = source;
    tail->place.source = source->key;
    if (strcmp(tail->place.path, path) == 0)
        return;
    char *copy = strdup(path);
    if (copy == NULL)
        abort();
    free(tail->place.path);
    tail->place.path = copy;
}

static void meet(void *arg, const struct tb_names_entry *entry)
{
    const struct visit *visit = arg;
    struct tb_sweep *s = visit->sweep;
    struct tb_tail_facts facts;
    char path[TB_NAMES_PATH + 256 + 2];
    if ((!entry->fits && !tb_table_has_inode(&s->table, entry->ino)) ||
        tb_tail_look(entry->dirfd, entry->name, &facts) != 0)
        return;
    snprintf(path, sizeof(path), "%s/%s", entry->folder, entry->name);
    struct tb_tail *tail = know(s, entry, &facts, path);
    if (tail == NULL || (tail->sweep == s->number && (tail->is_now || !entry->fits)))
        return;
    note_facts(s, tail, &facts);
    tail->is_now = false;
    if (entry->fits)
        name_anew(tail, visit->source, path);
    int trouble = judge(&facts);
    if (trouble != 0) {
        say_trouble(tail, trouble);
        tb_sweep_close_tail(s, tail); /* its descriptor is for others */
        return;
    }
    if (tail->fd < 0 && tb_tail_has_work(tail, s->now_ns))
        trouble = tb_sweep_open_tail(s, tail, entry->dirfd, entry->name);
    say_trouble(tail, trouble);
    if (trouble == 0)
        tb_sweep_remove(s, tail, entry->dirfd, entry->name);
}

static void watch_folder(void *arg, int dirfd, const char *path)
{
    const struct visit *visit = arg;
    char name[64];
    (void)path;
    if (visit->sweep->inotify_fd < 0)
        return;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", dirfd);
    (void)inotify_add_watch(visit->sweep->inotify_fd, name,
                            IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
}

static void say_source(struct tb_files_source *source, int err)
{
    if (err == source->err)
        return;
    source->err = err;
    const char *key = source->rule != NULL ? "log_files" : "rollbar_files.paths";
    if (err == -ENOENT)
        tb_log(TB_LOG_INFO, "%s: %s is not there yet and is waited for", key, source->path);
    else if (err != 0)
        tb_log(TB_LOG_WARNING, "%s: cannot look into %s: %s", key, source->path, strerror(-err));
}

static void find_files(struct tb_sweep *s)
{
    unsigned n_folders = 0;
    for (size_t i = 0; i < s->n_sources; i++) {
        struct tb_files_source *source = &s->sources[i];
        struct visit visit = {s, source};
        struct tb_names_walk walk = {.suffixes =
                                         source->rule != NULL ? log_suffixes : rollbar_suffixes,
                                     .folder = watch_folder,
                                     .entry = meet,
                                     .arg = &visit,
                                     .n_folders = n_folders};
        int err = tb_names_walk(source->path, &walk);
        n_folders = walk.n_folders;
        say_source(source, err);
        if (source->is_new && (err == 0 || err == -ENOENT))
            tb_sweep_note_watched(s, source);
    }
}

/* ---- what is open ---- */

/* Files that no name leads to any more are looked at through what is open of them. */
static void look_at_lost(struct tb_sweep *s)
{
    struct tb_tail_facts facts;
    for (size_t i = 0; i < s->n_list; i++) {
        struct tb_tail *tail = s->list[i];
        if (tail->fd < 0 || tail->sweep == s->number || tb_tail_look(tail->fd, "", &facts) != 0)
            continue;
        note_facts(s, tail, &facts);
        tail->is_now = false;
    }
}

static bool is_idle_for(const struct tb_sweep *s, const struct tb_tail *tail, unsigned seconds)
{
    uint64_t ns = (uint64_t)seconds * TB_NS_PER_S;
    return !tb_tail_has_work(tail, s->now_ns) && !tail->waits &&
           s->now_ns - tail->changed_ns >= ns && s->now_ns - tail->used_ns >= ns;
}

/* Nothing comes any more to a file without a name that nobody has open; that cannot be known, so
 * a while is waited. Its room on the disk is free then. */
static void close_idle(struct tb_sweep *s)
{
    for (size_t i = 0; i < s->n_list; i++) {
        struct tb_tail *tail = s->list[i];
        bool is_unlinked = tail->fd >= 0 && tail->now.n_links == 0;
        if (tail->fd < 0 || !is_idle_for(s, tail, is_unlinked ? UNLINKED_S : IDLE_S))
            continue;
        tb_sweep_close_tail(s, tail);
        if (is_unlinked) {
            tb_table_remove(&s->table, tail);
            s->list[i] = NULL;
            s->is_changed = true;
        }
    }
}

/* ---- reading ---- */

static void check_files(struct tb_sweep *s)
{
    for (size_t i = 0; i < s->n_list; i++)
        if (s->list[i]->fd >= 0 && tb_tail_has_work(s->list[i], s->now_ns))
            tb_tail_check(s->list[i]);
}

static bool has_new(const struct tb_sweep *s)
{
    for (size_t i = 0; i < s->n_list; i++)
        if (s->list[i]->has_begun && !s->list[i]->is_kept)
            return true;
    return false;
}

/* Reads the files that have a name that fits, or the others: 0, or why nothing can be taken. */
static int read_files(struct tb_sweep *s, bool now)
{
    for (size_t i = 0; i < s->n_list && !atomic_load(&s->ends); i++) {
        struct tb_tail *tail = s->list[i];
        if (tail->fd < 0 || tail->is_now != now || tail->trouble != 0 ||
            !tb_tail_has_work(tail, s->now_ns))
            continue;
        int got = tb_tail_read(&s->reader, tail, s->now_ns);
        s->is_changed = s->is_changed || tail->place.offset != tail->kept_offset;
        if (got == 1)
            s->has_more = true;
        else if (got == -EIO || got == -ESTALE) { /* its disk; the spool says -ENOSPC */
            say_trouble(tail, got);
            tb_sweep_close_tail(s, tail);
        } else if (got < 0)
            return got;
    }
    return 0;
}

static void sum_up(struct tb_sweep *s)
{
    struct tb_files_counts *c = &s->counts;
    c->watched = c->behind_bytes = c->unreadable = 0;
    s->waits = false;
    for (size_t i = 0; i < s->n_list; i++) {
        const struct tb_tail *tail = s->list[i];
        if (tail == NULL || tail->source == NULL || tail->sweep != s->number)
            continue;
        c->unreadable += tail->trouble != 0;
        c->watched += tail->trouble == 0;
        if (tail->trouble == 0 && tail->now.size > tail->place.offset)
            c->behind_bytes += (int64_t)(tail->now.size - tail->place.offset);
        s->waits = s->waits || tail->waits;
    }
}

static int fail(struct tb_sweep *s, const char *what, int err)
{
    if (!s->has_failed && err != -ECANCELED)
        tb_log(TB_LOG_WARNING, "files are not read on now, and it is tried again: %s: %s", what,
               strerror(-err));
    s->has_failed = true;
    snprintf(s->counts.trouble, sizeof(s->counts.trouble), "%s: %s", what, strerror(-err));
    return err;
}

int tb_sweep_run(struct tb_sweep *s)
{
    s->number++;
    s->now_ns = tb_clock_mono_ns();
    s->has_more = false;
    find_files(s);
    s->n_list = tb_table_list(&s->table, s->list);
    look_at_lost(s);
    check_files(s);
    int err = has_new(s) ? tb_sweep_keep(s) : 0;
    if (err)
        return fail(s, "the places cannot be kept", err);
    if ((err = read_files(s, false)) == 0)
        err = read_files(s, true);
    close_idle(s);
    sum_up(s);
    if (err == -EXFULL) { /* all is well: it goes on as the pipeline does */
        snprintf(s->counts.trouble, sizeof(s->counts.trouble),
                 "the files wait until the spool has less of them");
        return err;
    }
    if (err)
        return fail(s, "the spool takes nothing now", err);
    bool is_due =
        !s->has_more || s->now_ns - s->kept_ns >= (uint64_t)TB_SWEEP_KEEP_MS * TB_NS_PER_MS;
    if (s->is_changed && is_due && s->now_ns - s->kept_ns >= (uint64_t)TB_NS_PER_S &&
        (err = tb_sweep_keep(s)) != 0)
        return fail(s, "the places cannot be kept", err);
    s->counts.trouble[0] = '\0';
    s->has_failed = false;
    return s->has_more;
}
