/* cache.c - see cache.h. */
#include "symbol/files/cache.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "symbol/files/file.h"

void tb_symbol_cache_init(struct tb_symbol_cache *cache)
{
    *cache = (struct tb_symbol_cache){.n_max = TB_SYMBOL_CACHE_FILES,
                                      .bytes_max = TB_SYMBOL_CACHE_BYTES};
}

/* Closes the image that place points to. */
static void remove_at(struct tb_symbol_cache *cache, struct tb_symbol_image **place)
{
    struct tb_symbol_image *image = *place;
    *place = image->next;
    cache->n--;
    cache->mapped_bytes -= image->elf.len;
    tb_symbol_image_close(image);
}

static void add_first(struct tb_symbol_cache *cache, struct tb_symbol_image *image)
{
    image->next = cache->first;
    cache->first = image;
}

/* The place of the unused image that was used longest ago, or NULL. */
static struct tb_symbol_image **find_oldest(struct tb_symbol_cache *cache)
{
    struct tb_symbol_image **found = NULL;
    for (struct tb_symbol_image **at = &cache->first; *at; at = &(*at)->next) {
        if ((*at)->n_users == 0)
            found = at;
    }
    return found;
}

void tb_symbol_cache_drop(struct tb_symbol_cache *cache)
{
    struct tb_symbol_image **oldest;
    while ((oldest = find_oldest(cache)))
        remove_at(cache, oldest);
}

void tb_symbol_cache_done(struct tb_symbol_cache *cache)
{
    if (!cache)
        return;
    tb_symbol_cache_drop(cache);
    tb_symbol_shelf_done(&cache->shelf);
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Would len more bytes be too many? */
static bool is_over(const struct tb_symbol_cache *cache, size_t len)
{
    return cache->mapped_bytes + heap_bytes() + len > cache->bytes_max;
}

void tb_symbol_cache_trim(struct tb_symbol_cache *cache)
{
    struct tb_symbol_image **oldest;
    tb_symbol_shelf_trim(&cache->shelf);
    if (is_over(cache, 0))
        tb_symbol_cache_drop(cache);
    while (cache->n > cache->n_max && (oldest = find_oldest(cache)))
        remove_at(cache, oldest);
}

/* What is kept of the file that st is of, taken out of the list; or NULL. What is kept of an
 * earlier file at that path is closed. */
static struct tb_symbol_image *take(struct tb_symbol_cache *cache, const char *path,
                                    const struct stat *st)
{
    struct tb_symbol_image **at = &cache->first;
    while (*at) {
        struct tb_symbol_image *image = *at;
        if (tb_symbol_image_is(image, path, st)) {
            *at = image->next;
            return image;
        }
        if (image->n_users == 0 && strcmp(image->path, path) == 0)
            remove_at(cache, at);
        else
            at = &image->next;
    }
    return NULL;
}

/* A file system in user space, mounted without the rights of root, can tell any owner. */
static bool is_made_by_anybody(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) != 0 || (fs.f_type == FUSE_SUPER_MAGIC && (fs.f_flags & ST_NOSUID));
}

/* The same file may have been reached by other folders before. */
static char *real_path_of(int fd)
{
    char path[PATH_MAX];
    return tb_symbol_file_real_path(fd, path, sizeof(path)) == 0 ? strdup(path) : NULL;
}

int tb_symbol_cache_get(struct tb_symbol_cache *cache, const char *path, const uint32_t *uid,
                        struct tb_symbol_image **out)
{
    struct stat st;
    int err = 0;
    int fd = tb_symbol_file_open(path, TB_SYMBOL_MODULE_BYTES_MAX);
    if (fd < 0)
        return fd;
    char *real_path = NULL;
    bool is_public = tb_symbol_file_is_public(fd);
    if (!is_public && uid && !tb_symbol_file_may_read(fd, *uid))
        err = -EACCES;
    else if (fstat(fd, &st) < 0)
        err = -errno;
    if (err) {
        tb_fd_close(&fd);
        return err;
    }
    real_path = real_path_of(fd);
    struct tb_symbol_image *image = take(cache, path, &st);
    if (image) {
        tb_fd_close(&fd);
    } else {
        if (is_over(cache, (size_t)st.st_size))
            tb_symbol_cache_drop(cache);
        bool is_foreign = is_made_by_anybody(fd);
        if ((err = tb_symbol_image_open(fd, path, &st, &image))) {
            free(real_path);
            return err;
        }
        image->is_foreign = is_foreign;
        cache->n++;
        cache->mapped_bytes += image->elf.len;
    }
    add_first(cache, image);
    free(image->real_path);
    image->real_path = real_path;
    image->is_public = is_public;
    image->n_users++;
    *out = image;
    return 0;
}

void tb_symbol_cache_put(struct tb_symbol_cache *cache, struct tb_symbol_image *image)
{
    (void)cache; /* it stays there until it is trimmed */
    if (image)
        image->n_users--;
}
