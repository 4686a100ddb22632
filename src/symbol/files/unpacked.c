/* unpacked.c - see unpacked.h. The only file that calls libzstd. */
#include "symbol/files/unpacked.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "symbol/files/elf.h"

enum { ALIGNMENT = 16 };

/* The file as it is. */
struct packed {
    const uint8_t *bytes;
    size_t len;
    Elf64_Ehdr header;
};

/* A compressed section in it. */
struct section {
    Elf64_Shdr header;
    Elf64_Chdr how;
    const uint8_t *data; /* behind how */
    size_t len;
};

static int read_file(Elf *elf, struct packed *out)
{
    const uint8_t byte_order =
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    out->bytes = (const uint8_t *)elf_rawfile(elf, &out->len);
    if (!out->bytes || out->len < sizeof(out->header))
        return -EBADMSG;
    memcpy(&out->header, out->bytes, sizeof(out->header));
    if (out->header.e_ident[EI_CLASS] != ELFCLASS64 || out->header.e_ident[EI_DATA] != byte_order ||
        out->header.e_shentsize != sizeof(Elf64_Shdr) || out->header.e_shoff > out->len)
        return -EBADMSG;
    return out->len <= TB_SYMBOL_UNPACKED_BYTES_MAX ? 0 : -EFBIG;
}

/* As far as they lie within the file. */
static size_t count_sections(const struct packed *file)
{
    return (file->len - file->header.e_shoff) / sizeof(Elf64_Shdr);
}

static size_t place_of(const struct packed *file, size_t i)
{
    return file->header.e_shoff + i * sizeof(Elf64_Shdr);
}

/* Is section i one that zstd has compressed? Any such will do, whatever its name. */
static bool read_section(const struct packed *file, size_t i, struct section *out)
{
    memcpy(&out->header, file->bytes + place_of(file, i), sizeof(out->header));
    const Elf64_Shdr *h = &out->header;
    if (!(h->sh_flags & SHF_COMPRESSED) || (h->sh_flags & SHF_ALLOC) || h->sh_type == SHT_NOBITS ||
        h->sh_offset > file->len || h->sh_size > file->len - h->sh_offset ||
        h->sh_size < sizeof(out->how))
        return false;
    memcpy(&out->how, file->bytes + h->sh_offset, sizeof(out->how));
    out->data = file->bytes + h->sh_offset + sizeof(out->how);
    out->len = h->sh_size - sizeof(out->how);
    return out->how.ch_type == ELFCOMPRESS_ZSTD;
}

static size_t aligned(size_t n)
{
    return (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* How long the file with all of it is. 0; -ENOENT when there is nothing to do; -EFBIG. */
static int measure(const struct packed *file, size_t n, size_t *out_len)
{
    struct section section;
    size_t len = aligned(file->len);
    size_t n_found = 0;
    for (size_t i = 0; i < n; i++) {
        if (!read_section(file, i, &section))
            continue;
        if (section.how.ch_size > TB_SYMBOL_UNPACKED_BYTES_MAX - len)
            return -EFBIG;
        len = aligned(len + section.how.ch_size);
        if (len > TB_SYMBOL_UNPACKED_BYTES_MAX)
            return -EFBIG;
        n_found++;
    }
    *out_len = len;
    return n_found > 0 ? 0 : -ENOENT;
}

/* Each inflated section goes behind the file, and its header leads there. */
static int inflate_all(const struct packed *file, size_t n, struct tb_symbol_unpacked *out)
{
    struct section section;
    size_t at = aligned(file->len);
    memcpy(out->bytes, file->bytes, file->len);
    memset(out->bytes + file->len, 0, at - file->len);
    for (size_t i = 0; i < n; i++) {
        if (!read_section(file, i, &section))
            continue;
        size_t len = section.how.ch_size;
        if (ZSTD_decompress(out->bytes + at, len, section.data, section.len) != len)
            return -EBADMSG;
        section.header.sh_flags &= ~(Elf64_Xword)SHF_COMPRESSED;
        section.header.sh_offset = at;
        section.header.sh_size = len;
        section.header.sh_addralign = section.how.ch_addralign;
        memcpy(out->bytes + place_of(file, i), &section.header, sizeof(section.header));
        at = aligned(at + len);
    }
    return 0;
}

int tb_symbol_unpacked_open(Elf *elf, struct tb_symbol_unpacked *out)
{
    struct tb_symbol_unpacked unpacked = {0};
    struct packed file;
    size_t n;
    if (!tb_symbol_elf_has_zstd(elf))
        return -ENOENT;
    int err = read_file(elf, &file);
    if (err || elf_getshdrnum(elf, &n) != 0)
        return err ? err : -EBADMSG;
    n = n < count_sections(&file) ? n : count_sections(&file);
    if ((err = measure(&file, n, &unpacked.len)))
        return err;
    unpacked.bytes = malloc(unpacked.len);
    err = unpacked.bytes ? inflate_all(&file, n, &unpacked) : -ENOMEM;
    if (!err) {
        unpacked.elf = elf_memory((char *)unpacked.bytes, unpacked.len);
        err = unpacked.elf ? 0 : -EBADMSG;
    }
    if (err) {
        tb_symbol_unpacked_done(&unpacked);
        return err;
    }
    *out = unpacked;
    return 0;
}

void tb_symbol_unpacked_done(struct tb_symbol_unpacked *unpacked)
{
    if (!unpacked)
        return;
    if (unpacked->elf)
        elf_end(unpacked->elf);
    free(unpacked->bytes);
    *unpacked = (struct tb_symbol_unpacked){0};
}
