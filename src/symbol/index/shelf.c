/* shelf.c - see shelf.h. */
#include "symbol/index/shelf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/fd.h"
#include "symbol/index/shelf_file.h"

static int64_t ns_of(const struct timespec *time)
{
    return (int64_t)time->tv_sec * (int64_t)TB_NS_PER_S + time->tv_nsec;
}

static void add_file(struct tb_symbol_key *key, const struct stat *file)
{
    key->device = file->st_dev;
    key->inode = file->st_ino;
    key->bytes = (uint64_t)file->st_size;
    key->mtime_ns = ns_of(&file->st_mtim);
    key->ctime_ns = ns_of(&file->st_ctim);
}

struct tb_symbol_key tb_symbol_key_of(const uint8_t *build_id, uint32_t build_id_len,
                                      const struct stat *file)
{
    struct tb_symbol_key key = {.uid = file->st_uid, .build_id_len = build_id_len};
    if (build_id_len > 0) {
        memcpy(key.build_id, build_id, build_id_len);
        return key;
    }
    add_file(&key, file);
    return key;
}

void tb_symbol_key_for_one(struct tb_symbol_key *key, const struct stat *file, uint32_t reporter)
{
    key->is_for_one = true;
    key->reporter = reporter;
    add_file(key, file);
}

static bool is_same(const struct tb_symbol_key *a, const struct tb_symbol_key *b)
{
    return a->uid == b->uid && a->is_for_one == b->is_for_one && a->reporter == b->reporter &&
           a->build_id_len == b->build_id_len && a->inode == b->inode && a->device == b->device &&
           a->bytes == b->bytes && a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns &&
           memcmp(a->build_id, b->build_id, a->build_id_len) == 0;
}

static void forget_fd(struct tb_symbol_shelf *shelf, struct tb_symbol_shelved *shelved)
{
    if (shelved->fd >= 0)
        shelf->n_news--;
    tb_fd_close(&shelved->fd);
}

static void remove_at(struct tb_symbol_shelf *shelf, struct tb_symbol_shelved **place)
{
    struct tb_symbol_shelved *shelved = *place;
    *place = shelved->next;
    shelf->n--;
    shelf->bytes -= shelved->index.len;
    forget_fd(shelf, shelved);
    (void)munmap(shelved->mapped, shelved->index.len);
    free(shelved);
}

void tb_symbol_shelf_done(struct tb_symbol_shelf *shelf)
{
    while (shelf && shelf->first)
        remove_at(shelf, &shelf->first);
}

static void add_first(struct tb_symbol_shelf *shelf, struct tb_symbol_shelved *shelved)
{
    shelved->next = shelf->first;
    shelf->first = shelved;
    shelved->n_users++;
    shelved->is_used = true;
}

/* Taken out of the list; or NULL. */
static struct tb_symbol_shelved *take(struct tb_symbol_shelf *shelf,
                                      const struct tb_symbol_key *key)
{
    for (struct tb_symbol_shelved **at = &shelf->first; *at; at = &(*at)->next) {
        struct tb_symbol_shelved *found = *at;
        if (found->is_stale || !is_same(&found->key, key))
            continue;
        *at = found->next;
        return found;
    }
    return NULL;
}

/* Consumes the mapping of made, not its fd. */
static struct tb_symbol_shelved *shelve(struct tb_symbol_shelf *shelf,
                                        const struct tb_symbol_key *key,
                                        const struct tb_symbol_indexed *made)
{
    struct tb_symbol_shelved *shelved = calloc(1, sizeof(*shelved));
    if (!shelved || tb_symbol_index_open(made->bytes, made->len, &shelved->index) != 0) {
        (void)munmap(made->bytes, made->len);
        free(shelved);
        return NULL;
    }
    shelved->key = *key;
    shelved->mapped = made->bytes;
    shelved->fd = -1;
    shelf->n++;
    shelf->bytes += made->len;
    add_first(shelf, shelved);
    return shelved;
}

struct tb_symbol_shelved *tb_symbol_shelf_get(struct tb_symbol_shelf *shelf, const char *folder,
                                              const struct tb_symbol_key *key)
{
    struct tb_symbol_indexed file;
    struct tb_symbol_shelved *shelved = take(shelf, key);
    if (shelved) {
        add_first(shelf, shelved);
        return shelved;
    }
    if (!folder || key->build_id_len == 0 || key->is_for_one ||
        tb_symbol_shelf_file_map(folder, key, &file) != 0)
        return NULL;
    shelved = shelve(shelf, key, &file);
    if (!shelved)
        return NULL;
    shelved->is_in_file = true;
    if (shelved->index.build_id_len == key->build_id_len &&
        memcmp(shelved->index.build_id, key->build_id, key->build_id_len) == 0)
        return shelved;
    shelved->is_stale = true;
    tb_symbol_shelf_put(shelved);
    return NULL;
}

struct tb_symbol_shelved *tb_symbol_shelf_add(struct tb_symbol_shelf *shelf,
                                              const struct tb_symbol_key *key,
                                              struct tb_symbol_indexed *made, bool is_kept)
{
    struct tb_symbol_shelved *older = take(shelf, key);
    if (older) {
        older->is_stale = true;
        forget_fd(shelf, older);
        older->next = shelf->first;
        shelf->first = older;
    }
    struct tb_symbol_shelved *shelved = shelve(shelf, key, made);
    if (shelved && is_kept && key->build_id_len > 0 && !key->is_for_one &&
        shelf->n_news < TB_SYMBOL_SHELF_NEWS) {
        shelved->fd = made->fd;
        made->fd = -1;
        shelf->n_news++;
    }
    tb_fd_close(&made->fd);
    *made = (struct tb_symbol_indexed){.fd = -1};
    return shelved;
}

void tb_symbol_shelf_put(struct tb_symbol_shelved *shelved)
{
    if (shelved)
        shelved->n_users--;
}

static bool may_go(const struct tb_symbol_shelved *shelved)
{
    return shelved->n_users == 0 && (shelved->is_stale || shelved->fd < 0);
}

/* The one used longest ago that may go, stale ones first; or NULL. */
static struct tb_symbol_shelved **find_oldest(struct tb_symbol_shelf *shelf)
{
    struct tb_symbol_shelved **found = NULL;
    for (struct tb_symbol_shelved **at = &shelf->first; *at; at = &(*at)->next) {
        if (may_go(*at) && (*at)->is_stale)
            return at;
        if (may_go(*at))
            found = at;
    }
    return found;
}

void tb_symbol_shelf_trim(struct tb_symbol_shelf *shelf)
{
    struct tb_symbol_shelved **oldest;
    while ((oldest = find_oldest(shelf)) &&
           ((*oldest)->is_stale || shelf->n > TB_SYMBOL_SHELF_INDEXES ||
            shelf->bytes > TB_SYMBOL_SHELF_BYTES))
        remove_at(shelf, oldest);
}

struct tb_symbol_shelved *tb_symbol_shelf_news(struct tb_symbol_shelf *shelf, uint64_t now_ns)
{
    for (struct tb_symbol_shelved *at = shelf->first; at; at = at->next) {
        if (at->is_stale)
            continue;
        if (at->fd >= 0)
            return at;
        if (at->is_in_file && at->is_used &&
            (at->told_ns == 0 ||
             now_ns - at->told_ns > (uint64_t)TB_SYMBOL_SHELF_TELL_MS * TB_NS_PER_MS))
            return at;
    }
    return NULL;
}

void tb_symbol_shelf_told(struct tb_symbol_shelf *shelf, struct tb_symbol_shelved *shelved,
                          uint64_t now_ns)
{
    forget_fd(shelf, shelved);
    shelved->is_in_file = true;
    shelved->is_used = false;
    shelved->told_ns = now_ns;
}
