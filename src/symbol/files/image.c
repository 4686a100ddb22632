/* image.c - see image.h. */
#include "symbol/files/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

int tb_symbol_image_open(int fd, const char *path, const struct stat *st,
                         struct tb_symbol_image **out)
{
    int err = -ENOMEM;
    struct tb_symbol_image *image = calloc(1, sizeof(*image));
    if (!image)
        goto fail;
    image->stat = *st;
    image->path = strdup(path);
    if (!image->path)
        goto fail;
    err = tb_symbol_elf_open(fd, &image->elf);
    fd = -1;
    if (err)
        goto fail;
    *out = image;
    return 0;
fail:
    tb_fd_close(&fd);
    tb_symbol_image_close(image);
    return err;
}

void tb_symbol_image_close(struct tb_symbol_image *image)
{
    if (!image)
        return;
    for (size_t i = 0; i < TB_SYMBOL_N_TABLES; i++)
        tb_symbol_table_done(&image->tables[i].table);
    tb_symbol_mini_done(&image->mini);
    tb_symbol_elf_done(&image->elf);
    free(image->path);
    free(image->real_path);
    free(image);
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool tb_symbol_image_is(const struct tb_symbol_image *image, const char *path,
                        const struct stat *st)
{
    const struct stat *own = &image->stat;
    return own->st_dev == st->st_dev && own->st_ino == st->st_ino && own->st_size == st->st_size &&
           is_same_time(&own->st_mtim, &st->st_mtim) && is_same_time(&own->st_ctim, &st->st_ctim) &&
           strcmp(image->path, path) == 0;
}

/* What is there will do. */
static void read_table(struct tb_symbol_image *image, enum tb_symbol_table_kind kind,
                       struct tb_symbol_table *table)
{
    if (kind == TB_SYMBOL_MINI &&
        (tb_symbol_mini_open(image->elf.elf, &image->mini) != 0 ||
         tb_symbol_table_add(table, image->mini.elf, SHT_SYMTAB) == -ENOENT))
        return;
    (void)tb_symbol_table_add(table, image->elf.elf,
                              kind == TB_SYMBOL_SYMTAB ? SHT_SYMTAB : SHT_DYNSYM);
    tb_symbol_table_sort(table);
}

const struct tb_symbol_table *tb_symbol_image_table(struct tb_symbol_image *image,
                                                    enum tb_symbol_table_kind kind)
{
    struct tb_symbol_table *table = &image->tables[kind].table;
    if (!image->tables[kind].is_read) {
        image->tables[kind].is_read = true;
        read_table(image, kind, table);
    }
    return table->n > 0 ? table : NULL;
}

/* CRC-32 of IEEE 802.3, which .gnu_debuglink uses (GDB manual, "Separate Debug Files"). */
static uint32_t crc32_ieee(const uint8_t *data, size_t len)
{
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = (c >> 1) ^ ((c & 1) ? 0xedb88320 : 0);
        table[i] = c;
    }
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < len; i++)
        crc = table[(crc ^ data[i]) & 0xff] ^ (crc >> 8);
    return ~crc;
}

uint32_t tb_symbol_image_crc(struct tb_symbol_image *image)
{
    if (!image->has_crc) {
        image->crc = crc32_ieee(image->elf.bytes, image->elf.len);
        image->has_crc = true;
    }
    return image->crc;
}
