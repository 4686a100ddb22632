/* crash_facts.c - see crash_facts.h. The layout is section 7 of docs/spool-format.md.
 *
 * A range that has no bytes, a library without a name and a type without an end are none; the
 * first exception counts, and of the others the first of as many as may be. */
#include "record/crash_facts.h"

#include <string.h>

#include "base/pack.h"

enum { KNOWN_RIGHTS = TB_MAPPING_READ | TB_MAPPING_WRITE | TB_MAPPING_EXEC | TB_MAPPING_SHARED };

void tb_crash_unloaded_pack(uint64_t lo, uint64_t hi, uint8_t out[TB_CRASH_UNLOADED_BYTES])
{
    tb_put64(out, lo);
    tb_put64(out + 8, hi);
}

void tb_crash_mapping_pack(const struct tb_crash_mapping *mapping,
                           uint8_t out[TB_CRASH_MAPPING_BYTES])
{
    tb_put64(out, mapping->lo);
    tb_put64(out + 8, mapping->hi);
    tb_put32(out + 16, mapping->rights);
    tb_put32(out + 20, 0);
    tb_put64(out + 24, mapping->offset);
}

void tb_crash_read_exception(const struct tb_chunk *chunk, struct tb_crash *out)
{
    const char *text = (const char *)chunk->data;
    size_t type_len = strnlen(text, chunk->len);
    if (out->exception_type || type_len == 0 || type_len == chunk->len ||
        type_len > TB_CRASH_TYPE_MAX)
        return;
    out->exception_type = text;
    const char *what = text + type_len + 1;
    size_t what_len = strnlen(what, chunk->len - type_len - 1);
    if (what_len == 0)
        return;
    out->exception_what = what;
    out->exception_what_len = what_len < TB_CRASH_WHAT_MAX ? what_len : TB_CRASH_WHAT_MAX;
}

void tb_crash_read_unloaded(const struct tb_chunk *chunk, struct tb_crash *out)
{
    if (chunk->len <= TB_CRASH_UNLOADED_BYTES || out->n_unloaded == TB_CRASH_UNLOADED_MAX)
        return;
    const char *path = (const char *)chunk->data + TB_CRASH_UNLOADED_BYTES;
    struct tb_crash_unloaded library = {.lo = tb_get64(chunk->data),
                                        .hi = tb_get64(chunk->data + 8),
                                        .path = path,
                                        .len = strnlen(path, chunk->len - TB_CRASH_UNLOADED_BYTES)};
    if (library.lo < library.hi && library.len > 0)
        out->unloaded[out->n_unloaded++] = library;
}

void tb_crash_read_mapping(const struct tb_chunk *chunk, struct tb_crash *out)
{
    if (chunk->len < TB_CRASH_MAPPING_BYTES || out->n_mappings == TB_CRASH_MAPPINGS_MAX)
        return;
    const char *path = (const char *)chunk->data + TB_CRASH_MAPPING_BYTES;
    struct tb_crash_mapping mapping = {.lo = tb_get64(chunk->data),
                                       .hi = tb_get64(chunk->data + 8),
                                       .rights = tb_get32(chunk->data + 16) & KNOWN_RIGHTS,
                                       .offset = tb_get64(chunk->data + 24),
                                       .path = path,
                                       .len = strnlen(path, chunk->len - TB_CRASH_MAPPING_BYTES)};
    if (mapping.lo >= mapping.hi)
        return;
    size_t place = out->n_mappings++;
    for (; place > 0 && out->mappings[place - 1].lo > mapping.lo; place--)
        out->mappings[place] = out->mappings[place - 1];
    out->mappings[place] = mapping;
}
