/* debugfile.c - see debugfile.h. */
#include "symbol/files/debugfile.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"

/* What is looked for. */
struct search {
    struct tb_symbol_cache *cache;
    const struct tb_symbol_config *config;
    const struct tb_symbol_image *module;
    uint32_t uid;
    const char *link; /* name in .gnu_debuglink, or NULL */
    uint32_t crc;     /* that goes with it */
};

static bool belongs(const struct search *s, struct tb_symbol_image *found, bool by_link)
{
    const struct tb_symbol_elf *module = &s->module->elf;
    if (module->build_id_len > 0 || found->elf.build_id_len > 0)
        return module->build_id_len == found->elf.build_id_len &&
               memcmp(module->build_id, found->elf.build_id, found->elf.build_id_len) == 0;
    return by_link && tb_symbol_image_crc(found) == s->crc;
}

/* is_ours: the path is in a folder that the configuration names. Else the reporter chose it. */
static int try_path(const struct search *s, const char *path, bool by_link, bool is_ours,
                    struct tb_symbol_image **out)
{
    struct tb_symbol_image *found;
    if (tb_symbol_cache_get(s->cache, path, is_ours ? NULL : &s->uid, &found) != 0)
        return -ENOENT;
    if (!belongs(s, found, by_link)) {
        tb_symbol_cache_put(s->cache, found);
        return -ENOENT;
    }
    *out = found;
    return 0;
}

static int try_build_id(const struct search *s, struct tb_symbol_image **out)
{
    char hex[2 * TB_BUILD_ID_BYTES + 1];
    char path[PATH_MAX];
    if (s->module->elf.build_id_len < 2)
        return -ENOENT;
    tb_hex(s->module->elf.build_id, s->module->elf.build_id_len, hex);
    for (size_t i = 0; i < s->config->n_debug_dirs; i++) {
        int n = snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", s->config->debug_dirs[i],
                         hex, hex + 2);
        if (n > 0 && (size_t)n < sizeof(path) && try_path(s, path, false, true, out) == 0)
            return 0;
    }
    return -ENOENT;
}

/* The folder is that of the file, not one that has a link to it. */
static int try_link(const struct search *s, struct tb_symbol_image **out)
{
    char path[PATH_MAX];
    const char *module = s->module->real_path;
    const char *slash = module ? strrchr(module, '/') : NULL;
    if (!slash)
        return -ENOENT;
    int dir_len = (int)(slash - module);
    for (size_t i = 0; i < s->config->n_debug_dirs + 2; i++) {
        bool is_ours = i >= 2;
        int n =
            snprintf(path, sizeof(path), "%s%.*s%s/%s", is_ours ? s->config->debug_dirs[i - 2] : "",
                     dir_len, module, i == 1 ? "/.debug" : "", s->link);
        if (n > 0 && (size_t)n < sizeof(path) && try_path(s, path, true, is_ours, out) == 0)
            return 0;
    }
    return -ENOENT;
}

int tb_symbol_debugfile_get(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                            const struct tb_symbol_image *module, uint32_t uid,
                            struct tb_symbol_image **out)
{
    struct search s = {.cache = cache, .config = config, .module = module, .uid = uid};
    GElf_Word crc = 0;
    if (try_build_id(&s, out) == 0)
        return 0;
    s.link = dwelf_elf_gnu_debuglink(module->elf.elf, &crc);
    s.crc = crc;
    /* A name, never a path. */
    if (!s.link || s.link[0] == '\0' || s.link[0] == '.' || strchr(s.link, '/'))
        return -ENOENT;
    return try_link(&s, out);
}
