/* image.h - a module of our own making, in memory, with a table of symbols. */
#ifndef TB_TEST_CAPTURE_IMAGE_H
#define TB_TEST_CAPTURE_IMAGE_H

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <string.h>

#include "capture/modules/dynsym.h"

enum {
    DYNAMIC_AT = 0x200,
    SYMBOLS_AT = 0x300,
    STRINGS_AT = 0x400,
    HASH_AT = 0x500,
    IMAGE_SYMBOL_AT = 0x580,
    IMAGE_BYTES = 0x600
};

static inline uint32_t image_hash_of(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

/* Two symbols in one bucket: away, which is not defined, and the named one, at IMAGE_SYMBOL_AT. */
static inline struct tb_module image_make(uint8_t image[IMAGE_BYTES], const char *name)
{
    ElfW(Ehdr) head = {.e_ident = ELFMAG, .e_phoff = sizeof(head), .e_phnum = 1};
    const ElfW(Phdr) segment = {.p_type = PT_DYNAMIC, .p_vaddr = DYNAMIC_AT};
    const ElfW(Dyn) dynamic[] = {{DT_SYMTAB, {SYMBOLS_AT}},
                                 {DT_STRTAB, {STRINGS_AT}},
                                 {DT_GNU_HASH, {HASH_AT}},
                                 {DT_NULL, {0}}};
    const ElfW(Sym) symbols[] = {{0},
                                 {.st_name = 1, .st_value = 0x88},
                                 {.st_name = 6, .st_shndx = 1, .st_value = IMAGE_SYMBOL_AT}};
    const uint32_t hash[] = {
        1, 1, 1, 0, 0, 0, 1, image_hash_of("away") & ~1u, image_hash_of(name) | 1};
    memset(image, 0, IMAGE_BYTES);
    memcpy(image, &head, sizeof(head));
    memcpy(image + sizeof(head), &segment, sizeof(segment));
    memcpy(image + DYNAMIC_AT, dynamic, sizeof(dynamic));
    memcpy(image + SYMBOLS_AT, symbols, sizeof(symbols));
    memcpy(image + STRINGS_AT, "\0away", 6);
    memcpy(image + STRINGS_AT + 6, name, strlen(name) + 1);
    memcpy(image + HASH_AT, hash, sizeof(hash));
    uint64_t at = (uint64_t)(uintptr_t)image;
    return (struct tb_module){.lo = at, .hi = at + IMAGE_BYTES, .bias = at};
}

#endif
