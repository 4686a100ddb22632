/* elf.c - see elf.h. */
#include "symbol/files/elf.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <gelf.h>
#include <string.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096 };

static void read_segments(struct tb_symbol_elf *elf)
{
    size_t n;
    if (elf_getphdrnum(elf->elf, &n) != 0)
        return;
    for (size_t i = 0; i < n && elf->n_segments < TB_SYMBOL_SEGMENTS_MAX; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf->elf, (int)i, &header))
            return;
        if (header.p_type != PT_LOAD)
            continue;
        elf->segments[elf->n_segments++] = (struct tb_symbol_segment){
            .address = header.p_vaddr,
            .offset = header.p_offset,
            .file_bytes = header.p_filesz,
            .mem_bytes = header.p_memsz,
            .flags = header.p_flags,
        };
    }
}

/* The build id among the notes of one segment. Returns its length; 0: none. */
static ssize_t find_build_id(Elf_Data *notes, const void **out)
{
    GElf_Nhdr note;
    size_t name;
    size_t id;
    size_t at = 0;
    while (notes && (at = gelf_getnote(notes, at, &note, &name, &id)) > 0) {
        if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof("GNU") ||
            memcmp((const char *)notes->d_buf + name, "GNU", sizeof("GNU")) != 0)
            continue;
        *out = (const char *)notes->d_buf + id;
        return (ssize_t)note.n_descsz;
    }
    return 0;
}

/* As the running process has it, which needs no section headers. */
static ssize_t build_id_of_segments(Elf *elf, const void **out)
{
    size_t n;
    GElf_Phdr header;
    ssize_t len = 0;
    if (elf_getphdrnum(elf, &n) != 0)
        return 0;
    for (size_t i = 0; len == 0 && i < n && gelf_getphdr(elf, (int)i, &header); i++) {
        if (header.p_type == PT_NOTE)
            len =
                find_build_id(elf_getdata_rawchunk(elf, (int64_t)header.p_offset, header.p_filesz,
                                                   header.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR),
                              out);
    }
    return len;
}

static void read_build_id(struct tb_symbol_elf *elf)
{
    const void *id = NULL;
    ssize_t len = dwelf_elf_gnu_build_id(elf->elf, &id);
    if (len <= 0) /* libdw looks at segments only where there are no sections */
        len = build_id_of_segments(elf->elf, &id);
    if (len <= 0 || len > TB_BUILD_ID_BYTES)
        return;
    memcpy(elf->build_id, id, (size_t)len);
    elf->build_id_len = (uint32_t)len;
}

int tb_symbol_elf_open(int fd, struct tb_symbol_elf *out)
{
    struct tb_symbol_elf elf = {0};
    GElf_Ehdr header;
    (void)elf_version(EV_CURRENT);
    elf.elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (!elf.elf)
        goto fail;
    elf.bytes = (const uint8_t *)elf_rawfile(elf.elf, &elf.len);
    if (elf_kind(elf.elf) != ELF_K_ELF || !elf.bytes || !gelf_getehdr(elf.elf, &header))
        goto fail;
    elf.entry = header.e_entry;
    read_segments(&elf);
    read_build_id(&elf);
    /* All of it is mapped: a process of many modules needs no descriptor for each. */
    if (elf_cntl(elf.elf, ELF_C_FDREAD) != 0)
        goto fail;
    close(fd);
    *out = elf;
    return 0;
fail:
    tb_symbol_elf_done(&elf);
    close(fd);
    return -EBADMSG;
}

void tb_symbol_elf_done(struct tb_symbol_elf *elf)
{
    if (!elf)
        return;
    if (elf->elf)
        elf_end(elf->elf);
    *elf = (struct tb_symbol_elf){0};
}

static const struct tb_symbol_segment *find_segment(const struct tb_symbol_elf *elf,
                                                    uint64_t address)
{
    for (size_t i = 0; i < elf->n_segments; i++) {
        const struct tb_symbol_segment *s = &elf->segments[i];
        if (address >= s->address && address - s->address < s->mem_bytes)
            return s;
    }
    return NULL;
}

int tb_symbol_elf_read(const struct tb_symbol_elf *elf, uint64_t address, void *out, size_t len)
{
    const struct tb_symbol_segment *s = find_segment(elf, address);
    if (!s || (s->flags & PF_W) || address - s->address >= s->file_bytes)
        return -EFAULT;
    uint64_t into = address - s->address;
    uint64_t there = s->file_bytes - into;
    /* Behind the last byte of the file the page is full of zeros or of what the file has there. */
    if (len > there + PAGE_BYTES)
        return -EFAULT;
    size_t n = len < there ? len : (size_t)there;
    if (s->offset > elf->len || into > elf->len - s->offset || n > elf->len - s->offset - into)
        return -EFAULT;
    memcpy(out, elf->bytes + s->offset + into, n);
    memset((uint8_t *)out + n, 0, len - n);
    return 0;
}

bool tb_symbol_elf_is_written(const struct tb_symbol_elf *elf, uint64_t address)
{
    const struct tb_symbol_segment *s = find_segment(elf, address);
    return s && (s->flags & PF_W);
}

bool tb_symbol_elf_is_code(const struct tb_symbol_elf *elf, uint64_t address)
{
    const struct tb_symbol_segment *s = find_segment(elf, address);
    return s && (s->flags & PF_X);
}

static const char *name_of(Elf *elf, size_t names, const GElf_Shdr *header)
{
    const char *name = elf_strptr(elf, names, header->sh_name);
    return name ? name : "";
}

const void *tb_symbol_elf_section(Elf *elf, const char *name, size_t *out_len)
{
    size_t names;
    Elf_Scn *section = NULL;
    GElf_Shdr header;
    if (elf_getshdrstrndx(elf, &names) != 0)
        return NULL;
    while ((section = elf_nextscn(elf, section))) {
        if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS ||
            strcmp(name_of(elf, names, &header), name) != 0)
            continue;
        const Elf_Data *data = elf_rawdata(section, NULL);
        if (!data || !data->d_buf || data->d_size == 0)
            return NULL;
        *out_len = data->d_size;
        return data->d_buf;
    }
    return NULL;
}

bool tb_symbol_elf_has_zstd(Elf *elf)
{
    size_t names;
    Elf_Scn *section = NULL;
    GElf_Shdr header;
    Elf64_Word type;
    if (elf_getshdrstrndx(elf, &names) != 0)
        return false;
    while ((section = elf_nextscn(elf, section))) {
        if (!gelf_getshdr(section, &header) || !(header.sh_flags & SHF_COMPRESSED) ||
            header.sh_type == SHT_NOBITS ||
            strncmp(name_of(elf, names, &header), ".debug_", 7) != 0)
            continue;
        /* The compression header begins with its type, in both classes. */
        const Elf_Data *data = elf_rawdata(section, NULL);
        if (!data || !data->d_buf || data->d_size < sizeof(type))
            continue;
        memcpy(&type, data->d_buf, sizeof(type));
        if (type == ELFCOMPRESS_ZSTD)
            return true;
    }
    return false;
}
