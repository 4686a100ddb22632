/* folder.c - which files are in in/, which of them changed, and which comes next. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/pack.h"
#include "spool/slot.h"
#include "spool/state.h"

enum {
    LIST_EVERY_S = 1, /* for what no event tells: a lock that is gone, stores to a mapping */
    POLL_MOST_S = 60,
    TIMES_REST = 20, /* as long as a look at all took, it is not done again */
    MAX_READS = 256, /* of 16 KiB events each at a time */
};

/* The end of a process is heard of in its slot: it comes before very many that are only looked at
 * again because they are there. */
static void touch_named(struct tb_spool *spool, struct tb_source *source)
{
    tb_folder_touch(spool, source);
    if (source->is_slot && source->heap_at != 0)
        tb_index_urge(&spool->index, source);
}

static void note_event(struct tb_spool *spool, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) {
        spool->list_needed = true;
        spool->polled_ns = 0; /* nobody knows what was missed */
    }
    if (event->mask & (IN_IGNORED | IN_UNMOUNT))
        spool->blind = true;
    if (event->len == 0)
        return;
    struct tb_source *source = tb_index_name(&spool->index, event->name);
    /* A note, or a count, of a process that lives: what it says of its end comes with another. */
    if (event->mask == IN_MODIFY && source && source->is_slot && source->state == TB_SOURCE_READY)
        return;
    if (event->mask & IN_DELETE) {
        spool->list_needed = spool->list_needed || source;
    } else if (source) {
        touch_named(spool, source);
        source->quiet_size = 0;
    } else {
        int kind;
        if (tb_spool_name_parse(event->name, &kind) >= 0 && kind != TB_FILE_MORE)
            spool->list_needed = true;
    }
}

void tb_folder_events(struct tb_spool *spool)
{
    char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    spool->n_since_events = 0;
    if (spool->wake_fd < 0)
        return;
    for (int i = 0; i < MAX_READS; i++) {
        ssize_t n = read(spool->wake_fd, buffer, sizeof(buffer));
        if (n <= 0)
            return; /* EAGAIN: read out; anything else: the next listing tells */
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(buffer + at);
            note_event(spool, event);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
    spool->list_needed = true;
    spool->polled_ns = 0;
}

static int add_source(struct tb_spool *spool, const char *name, int class_, int kind,
                      uint64_t now_ns)
{
    if (spool->n_sources == spool->cap_sources) {
        size_t cap = spool->cap_sources ? 2 * spool->cap_sources : 64;
        struct tb_source **grown = realloc(spool->sources, cap * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        spool->sources = grown;
        spool->cap_sources = cap;
    }
    struct tb_source *source = tb_source_new(name, class_, kind, now_ns);
    if (!source || tb_index_add(&spool->index, source) < 0) {
        tb_source_free(source);
        return -ENOMEM;
    }
    source->at = spool->n_sources;
    spool->sources[spool->n_sources++] = source;
    source->listed = spool->listing;
    if (class_ < 0) {
        source->state = TB_SOURCE_FOREIGN;
        spool->n_known_foreign++;
    }
    tb_folder_touch(spool, source);
    return 0;
}

/* A link, a pipe or a folder is foreign under any name: it shall not take a file's place. */
static int class_of(const struct dirent *entry, int *kind)
{
    if (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN)
        return -1;
    int class_ = tb_spool_name_parse(entry->d_name, kind);
    return *kind == TB_FILE_MORE ? -1 : class_;
}

/* Does the slot whose other threads have that name speak for it? */
static bool is_spoken_for(const struct tb_spool *spool, const char *name)
{
    char slot[TB_SPOOL_NAME];
    if (tb_spool_name_beside(name, "slot", slot) < 0)
        return false;
    const struct tb_source *source = tb_index_name(&spool->index, slot);
    return source && !source->more_is_odd;
}

/* Is there room for one more? When there is none, the next listing goes on from here. */
static bool has_room(struct tb_spool *spool, int class_)
{
    if (class_ < 0)
        return spool->n_known_foreign < TB_SPOOL_MAX_FOREIGN;
    if (spool->n_unknown++ < spool->skip)
        return false;
    if (spool->n_sources - spool->n_known_foreign < TB_SPOOL_MAX_SOURCES)
        return true;
    if (!spool->is_crowded)
        spool->skip = spool->n_unknown - 1;
    spool->is_crowded = true;
    return false;
}

static int note_name(struct tb_spool *spool, const struct dirent *entry, uint64_t now_ns)
{
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    int kind = TB_FILE_SEGMENT;
    int class_ = class_of(entry, &kind);
    if (kind == TB_FILE_MORE && is_spoken_for(spool, name))
        return 0;
    spool->n_foreign += class_ < 0;
    struct tb_source *source = tb_index_name(&spool->index, name);
    if (source) {
        source->listed = spool->listing;
        if (spool->is_poll)
            tb_folder_touch(spool, source);
        return 0;
    }
    return has_room(spool, class_) ? add_source(spool, name, class_, kind, now_ns) : 0;
}

static void drop_refused(struct tb_spool *spool)
{
    for (size_t i = spool->n_sources; i-- > 0;) {
        if (spool->sources[i]->state == TB_SOURCE_REFUSED)
            tb_folder_drop(spool, spool->sources[i]);
    }
}

/* Also the threads whose slot came later in the listing. */
static void drop_gone(struct tb_spool *spool)
{
    for (size_t i = spool->n_sources; i-- > 0;) {
        struct tb_source *source = spool->sources[i];
        bool is_gone = source->listed != spool->listing;
        if (!is_gone && !(source->is_more && is_spoken_for(spool, source->name)))
            continue;
        spool->n_foreign -= !is_gone;
        tb_folder_drop(spool, source);
    }
}

static int list(struct tb_spool *spool, uint64_t now_ns)
{
    int fd = openat(spool->in_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int err = -errno;
        tb_fd_close(&fd);
        return err;
    }
    if (spool->is_crowded)
        drop_refused(spool);
    size_t skipped = spool->skip;
    spool->is_crowded = false;
    spool->n_unknown = 0;
    spool->listing++;
    spool->n_foreign = 0;
    int err = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            err = -errno;
            break;
        }
        if ((err = note_name(spool, entry, now_ns)) < 0)
            break;
    }
    closedir(dir);
    if (!spool->is_crowded)
        spool->skip = 0; /* from the beginning again */
    spool->is_crowded = spool->is_crowded || skipped > 0;
    if (err == 0) /* else what was not seen may still be there */
        drop_gone(spool);
    return err;
}

/* Is it time to look at every file? Very many that somebody keeps locked shall not take all the
 * time there is: what happens to one is mostly told by an event. */
static bool must_poll(const struct tb_spool *spool, uint64_t now_ns)
{
    uint64_t least_ns = (uint64_t)LIST_EVERY_S * TB_NS_PER_S;
    uint64_t most_ns = (uint64_t)POLL_MOST_S * TB_NS_PER_S;
    uint64_t rest_ns = spool->look_ns * TIMES_REST;
    if (spool->blind || spool->polled_ns == 0 || rest_ns <= least_ns)
        return true;
    return now_ns - spool->polled_ns >= (rest_ns < most_ns ? rest_ns : most_ns);
}

static int list_now(struct tb_spool *spool, uint64_t now_ns)
{
    spool->is_poll = must_poll(spool, now_ns);
    if (spool->is_poll) {
        spool->polled_ns = now_ns;
        spool->look_ns = 0;
    }
    int err = list(spool, now_ns);
    spool->look_ns += tb_clock_mono_ns() - now_ns;
    return err;
}

void tb_folder_look(struct tb_spool *spool)
{
    uint64_t now_ns = tb_clock_mono_ns();
    tb_folder_events(spool);
    bool due = now_ns - spool->listed_ns >= (uint64_t)LIST_EVERY_S * TB_NS_PER_S &&
               must_poll(spool, now_ns);
    if (spool->blind || spool->list_needed || due) {
        spool->list_needed = list_now(spool, now_ns) < 0;
        spool->listed_ns = now_ns;
    }
    for (size_t i = 0; i < spool->n_sources; i++) {
        if (spool->sources[i]->waiting)
            tb_folder_touch(spool, spool->sources[i]);
    }
}

void tb_folder_touch(struct tb_spool *spool, struct tb_source *source)
{
    if (!source->final && source->state != TB_SOURCE_FOREIGN)
        tb_index_push(&spool->index, source);
}

/* A slot whose process ended cleanly holds nothing but its room. */
static void look_for_end(struct tb_spool *spool, struct tb_source *source)
{
    const struct tb_spool_stats before = spool->counts;
    struct tb_spool_record record;
    uint8_t word[4];
    if (!source->is_slot || spool->visit.alive ||
        tb_fd_pread_all(spool->visit.scan.fd, word, sizeof(word), TB_SLOT_STATE_AT) != 4)
        return;
    source->is_judged = true; /* nobody is left who could change it */
    uint32_t state = tb_get32(word);
    if (state != TB_SLOT_DONE)
        return;
    if (tb_slot_read(source, &spool->visit, &spool->counts, &record) == 0)
        tb_source_rewind(source); /* somebody has changed it meanwhile */
    tb_spool_tally(spool, source, &before);
}

void tb_folder_ask(struct tb_spool *spool, size_t i)
{
    struct tb_source *source = spool->sources[i];
    size_t n = spool->n_sources;
    if (tb_spool_enter(spool, source) == 0) {
        look_for_end(spool, source);
        tb_source_leave(&spool->visit);
    }
    if (spool->n_sources == n)
        tb_folder_touch(spool, source);
}

static bool is_unread(const struct tb_source *source)
{
    if (source->state == TB_SOURCE_READY)
        return source->is_slot && !source->alive && !source->final && !source->is_judged;
    return source->state == TB_SOURCE_NEW || source->state == TB_SOURCE_BAD;
}

void tb_folder_meet(struct tb_spool *spool)
{
    tb_spool_leave(spool); /* its window is needed */
    /* Events stay unread: they wake the agent for what the reader has to do. */
    spool->listed_ns = tb_clock_mono_ns();
    spool->list_needed = list_now(spool, spool->listed_ns) < 0;
    for (size_t i = spool->n_sources; i-- > 0;) {
        if (is_unread(spool->sources[i]))
            tb_folder_ask(spool, i);
    }
    tb_spool_collect_spent(spool);
}

struct tb_source *tb_folder_pick(const struct tb_spool *spool)
{
    return tb_index_first(&spool->index);
}

struct tb_source *tb_folder_find(const struct tb_spool *spool, uint64_t file_id)
{
    if (spool->current && spool->current->id == file_id)
        return spool->current;
    struct tb_source *source = tb_index_id(&spool->index, file_id);
    return source && source->state == TB_SOURCE_READY ? source : NULL;
}

void tb_folder_drop(struct tb_spool *spool, struct tb_source *source)
{
    tb_spool_keep_tally(spool, source);
    struct tb_source *last = spool->sources[--spool->n_sources];
    tb_index_remove(&spool->index, source);
    spool->sources[source->at] = last;
    last->at = source->at;
    spool->n_known_foreign -= source->state == TB_SOURCE_FOREIGN;
    tb_source_free(source);
}
