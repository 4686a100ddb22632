/* image.c - see image.h. */
#include "image.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

enum { PAGE = 4096, FILE_MAX = 8 << 20 };

const char *const damage_names[N_DAMAGE] = {"flipped bit", "zeroed page", "garbage page",
                                            "swapped pages", "stale page"};

int image_read(const struct world *world, const char *name, struct image *out)
{
    char path[256];
    struct tb_buf bytes;
    (void)snprintf(path, sizeof(path), "%s/%s", world->path, name);
    tb_buf_init(&bytes, FILE_MAX);
    if (tb_fd_slurp(AT_FDCWD, path, &bytes) < 0 || bytes.len == 0) {
        tb_buf_done(&bytes);
        return -1;
    }
    (void)snprintf(out->name, sizeof(out->name), "%s", name);
    out->bytes = (uint8_t *)bytes.data;
    out->len = bytes.len;
    return 0;
}

int image_take(const struct world *world, const char *suffix, struct image *out)
{
    char path[128];
    char name[128] = "";
    (void)snprintf(path, sizeof(path), "%s/in", world->path);
    DIR *dir = opendir(path);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        size_t len = strlen(entry->d_name);
        if (len > strlen(suffix) && strcmp(entry->d_name + len - strlen(suffix), suffix) == 0)
            (void)snprintf(name, sizeof(name), "in/%.100s", entry->d_name);
    }
    if (dir)
        closedir(dir);
    return name[0] ? image_read(world, name, out) : -1;
}

void image_copy(const struct image *from, struct image *out)
{
    if (out->len != from->len) {
        free(out->bytes);
        out->bytes = malloc(from->len);
        if (!out->bytes)
            abort();
    }
    memcpy(out->name, from->name, sizeof(out->name));
    memcpy(out->bytes, from->bytes, from->len);
    out->len = from->len;
}

void image_done(struct image *image)
{
    free(image->bytes);
    image->bytes = NULL;
}

int image_put(const struct world *world, const struct image *image)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", world->path, image->name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    int err = fd < 0 ? -1 : tb_fd_write_all(fd, image->bytes, image->len);
    tb_fd_close(&fd);
    return err;
}

static void swap_pages(struct image *image, size_t a, size_t b)
{
    uint8_t kept[PAGE];
    if (a == b || (a + 1) * PAGE > image->len || (b + 1) * PAGE > image->len)
        return;
    memcpy(kept, image->bytes + a * PAGE, PAGE);
    memcpy(image->bytes + a * PAGE, image->bytes + b * PAGE, PAGE);
    memcpy(image->bytes + b * PAGE, kept, PAGE);
}

void image_damage(struct image *image, enum damage kind, const struct image *older, uint64_t *seed)
{
    uint32_t n_pages = (uint32_t)((image->len + PAGE - 1) / PAGE);
    size_t page = world_dice(seed, n_pages);
    uint8_t *at = image->bytes + page * PAGE;
    size_t len = image->len - page * PAGE < PAGE ? image->len - page * PAGE : PAGE;
    if (kind == FLIPPED_BIT) {
        at[world_dice(seed, (uint32_t)len)] ^= (uint8_t)(1u << world_dice(seed, 8));
    } else if (kind == ZEROED_PAGE) {
        memset(at, 0, len);
    } else if (kind == GARBAGE_PAGE) {
        for (size_t i = 0; i < len; i++)
            at[i] = (uint8_t)world_dice(seed, 256);
    } else if (kind == SWAPPED_PAGES) {
        swap_pages(image, page, world_dice(seed, n_pages));
    } else {
        size_t had = older->len > page * PAGE ? older->len - page * PAGE : 0;
        memset(at, 0, len);
        memcpy(at, older->bytes + page * PAGE, had < len ? had : len);
    }
}
