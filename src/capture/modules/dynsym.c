/* dynsym.c - see dynsym.h. */
#include "capture/modules/dynsym.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>

enum {
    SEGMENTS_MAX = 64,
    ENTRIES_MAX = 128, /* of the dynamic section */
    CHAIN_MAX = 1024,  /* symbols with hashes that meet; the C++ runtime has four */
    NAME_MAX_BYTES = 64
};

static int read_at(const struct tb_dynsym *table, uint64_t address, void *out, size_t len)
{
    return tb_memory_read(table->memory, address, out, len);
}

/* The loader has added the bias in place, but for some modules of the kernel. */
static uint64_t whole(const struct tb_module *module, uint64_t address)
{
    return address >= module->lo && address < module->hi ? address : address + module->bias;
}

static int find_dynamic(struct tb_memory *memory, const struct tb_module *module, uint64_t *out)
{
    ElfW(Ehdr) head;
    ElfW(Phdr) segment;
    if (tb_memory_read(memory, module->lo, &head, sizeof(head)) != 0 ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return -ENOENT;
    for (unsigned i = 0; i < head.e_phnum && i < SEGMENTS_MAX; i++) {
        uint64_t at = module->lo + head.e_phoff + (uint64_t)i * sizeof(segment);
        if (tb_memory_read(memory, at, &segment, sizeof(segment)) != 0)
            return -ENOENT;
        if (segment.p_type != PT_DYNAMIC)
            continue;
        *out = module->bias + segment.p_vaddr;
        return 0;
    }
    return -ENOENT;
}

int tb_dynsym_open(struct tb_dynsym *table, struct tb_memory *memory,
                   const struct tb_module *module)
{
    uint64_t at;
    ElfW(Dyn) entry;
    *table = (struct tb_dynsym){.memory = memory, .bias = module->bias};
    if (find_dynamic(memory, module, &at) != 0)
        return -ENOENT;
    for (int i = 0; i < ENTRIES_MAX; i++, at += sizeof(entry)) {
        if (read_at(table, at, &entry, sizeof(entry)) != 0 || entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_SYMTAB)
            table->symbols = whole(module, entry.d_un.d_ptr);
        else if (entry.d_tag == DT_STRTAB)
            table->strings = whole(module, entry.d_un.d_ptr);
        else if (entry.d_tag == DT_GNU_HASH)
            table->hash = whole(module, entry.d_un.d_ptr);
    }
    return table->symbols && table->strings && table->hash ? 0 : -ENOENT;
}

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

/* The symbol at place, if it is defined and has that name. */
static int is_named(const struct tb_dynsym *table, uint64_t place, const char *name,
                    uint64_t *address)
{
    ElfW(Sym) symbol;
    char text[NAME_MAX_BYTES];
    size_t len = strlen(name) + 1;
    if (len > sizeof(text) ||
        read_at(table, table->symbols + place * sizeof(symbol), &symbol, sizeof(symbol)) != 0 ||
        symbol.st_shndx == SHN_UNDEF ||
        read_at(table, table->strings + symbol.st_name, text, len) != 0 ||
        memcmp(text, name, len) != 0)
        return 0;
    *address = table->bias + symbol.st_value;
    return 1;
}

/* The table: how many buckets, the first symbol in them, words of the filter, its shift; the
 * filter; for each bucket its first symbol; for each symbol its hash, whose last bit ends a bucket.
 */
int tb_dynsym_find(const struct tb_dynsym *table, const char *name, uint64_t *address)
{
    uint32_t head[4];
    uint32_t place;
    uint32_t hash = hash_of(name);
    if (read_at(table, table->hash, head, sizeof(head)) != 0 || head[0] == 0)
        return -ENOENT;
    uint64_t buckets = table->hash + sizeof(head) + (uint64_t)head[2] * sizeof(uint64_t);
    uint64_t chains = buckets + (uint64_t)head[0] * sizeof(place);
    if (read_at(table, buckets + (uint64_t)(hash % head[0]) * sizeof(place), &place,
                sizeof(place)) != 0 ||
        place < head[1])
        return -ENOENT;
    for (int i = 0; i < CHAIN_MAX; i++, place++) {
        uint32_t its;
        if (read_at(table, chains + (uint64_t)(place - head[1]) * sizeof(its), &its, sizeof(its)))
            return -ENOENT;
        if ((its | 1) == (hash | 1) && is_named(table, place, name, address))
            return 0;
        if (its & 1)
            break;
    }
    return -ENOENT;
}
