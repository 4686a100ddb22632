/* why_place.c - see why.h: mappings and libraries around an address. */
#include <string.h>

#include "agent/meaning/why.h"
#include "unwind/walk.h"

enum { NEAR_BYTES = 1 << 20 };

const struct tb_crash_mapping *tb_why_mapping(const struct tb_crash *crash, uint64_t address)
{
    for (size_t i = 0; i < crash->n_mappings; i++)
        if (address >= crash->mappings[i].lo && address < crash->mappings[i].hi)
            return &crash->mappings[i];
    return NULL;
}

void tb_why_say_file(const char *path, size_t len, struct tb_say *say)
{
    const char *slash = memrchr(path, '/', len);
    size_t at = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    tb_say_text(say, path + at, len - at);
}

static int is_path(const struct tb_crash_mapping *mapping, const char *path)
{
    return mapping->len == strlen(path) && memcmp(mapping->path, path, mapping->len) == 0;
}

void tb_why_say_mapping(const struct tb_crash_mapping *mapping, struct tb_say *say)
{
    if (mapping->len == 0)
        tb_say(say, "anonymous memory");
    else if (is_path(mapping, "[heap]"))
        tb_say(say, "the heap");
    else if (is_path(mapping, "[stack]"))
        tb_say(say, "the stack");
    else
        tb_why_say_file(mapping->path, mapping->len, say);
}

void tb_why_rights(uint32_t rights, char out[4])
{
    out[0] = rights & TB_MAPPING_READ ? 'r' : '-';
    out[1] = rights & TB_MAPPING_WRITE ? 'w' : '-';
    out[2] = rights & TB_MAPPING_EXEC ? 'x' : '-';
    out[3] = '\0';
}

void tb_why_say_between(const struct tb_crash *crash, uint64_t address, struct tb_say *say)
{
    const struct tb_crash_mapping *below = NULL;
    const struct tb_crash_mapping *above = NULL;
    for (size_t i = 0; i < crash->n_mappings; i++) {
        const struct tb_crash_mapping *m = &crash->mappings[i];
        if (m->hi <= address && (below == NULL || m->hi > below->hi))
            below = m;
        if (m->lo > address && (above == NULL || m->lo < above->lo))
            above = m;
    }
    if (below != NULL && address - below->hi < NEAR_BYTES) {
        tb_say(say, ", 0x%llx bytes behind ", (unsigned long long)(address - below->hi));
        tb_why_say_mapping(below, say);
    } else if (above != NULL && above->lo - address < NEAR_BYTES) {
        tb_say(say, ", 0x%llx bytes before ", (unsigned long long)(above->lo - address));
        tb_why_say_mapping(above, say);
    } else if (below != NULL && above != NULL) {
        tb_say(say, ", between ");
        tb_why_say_mapping(below, say);
        tb_say(say, " and ");
        tb_why_say_mapping(above, say);
    }
}

const struct tb_crash_unloaded *tb_why_unloaded(const struct tb_why *why, uint64_t address)
{
    const struct tb_crash *crash = why->crash;
    const struct tb_module *there =
        why->process != NULL ? tb_process_module(why->process, address) : NULL;
    for (size_t i = 0; i < crash->n_unloaded; i++) {
        const struct tb_crash_unloaded *gone = &crash->unloaded[i];
        if (address < gone->lo || address >= gone->hi)
            continue;
        /* The record keeps those that frames lead to among the modules. */
        int is_itself = there != NULL && strlen(there->path) == gone->len &&
                        memcmp(there->path, gone->path, gone->len) == 0;
        return there == NULL || is_itself ? gone : NULL;
    }
    return NULL;
}

const struct tb_crash_unloaded *tb_why_unloaded_caller(const struct tb_why *why)
{
    enum { INNERMOST = 16 };
    const struct tb_crash *crash = why->crash;
    const struct tb_crash_unloaded *found = NULL;
    for (size_t i = 1; found == NULL && i < crash->n_frames && i < INNERMOST; i++)
        if (crash->frames[i].trust != TB_TRUST_SCAN)
            found = tb_why_unloaded(why, crash->frames[i].ip);
    return found;
}
