/* alternate.c - see alternate.h. */
#include "symbol/files/alternate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "symbol/files/elf.h"

int tb_symbol_altlink_read(Elf *elf, struct tb_symbol_altlink *out)
{
    size_t len;
    const char *text = tb_symbol_elf_section(elf, ".gnu_debugaltlink", &len);
    if (!text)
        return -ENOENT;
    size_t name_len = strnlen(text, len);
    if (name_len == 0 || name_len >= len)
        return -EBADMSG;
    size_t id_len = len - name_len - 1;
    if (id_len < 2 || id_len > TB_BUILD_ID_BYTES)
        return -EBADMSG;
    *out = (struct tb_symbol_altlink){.name = text,
                                      .build_id = (const uint8_t *)text + name_len + 1,
                                      .build_id_len = (uint32_t)id_len};
    return 0;
}

const char *tb_symbol_altlink_below(const char *name)
{
    static const char folder[] = ".dwz/";
    const char *slash = strrchr(name, '/');
    const char *below = slash ? slash + 1 : name;
    for (const char *at = strstr(name, folder); at; at = strstr(at + 1, folder)) {
        if (at == name || at[-1] == '/')
            below = at + sizeof(folder) - 1;
    }
    if (below[0] == '\0' || below[0] == '/')
        return NULL;
    for (const char *part = below; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t len = strcspn(part, "/");
        if (len == 0 || (part[0] == '.' && (len == 1 || (len == 2 && part[1] == '.'))))
            return NULL;
    }
    return below;
}

static int try_path(struct tb_symbol_cache *cache, const struct tb_symbol_altlink *link,
                    const char *path, struct tb_symbol_image **out)
{
    struct tb_symbol_image *found;
    if (tb_symbol_cache_get(cache, path, NULL, &found) != 0)
        return -ENOENT;
    if (found->elf.build_id_len == link->build_id_len &&
        memcmp(found->elf.build_id, link->build_id, link->build_id_len) == 0) {
        *out = found;
        return 0;
    }
    tb_symbol_cache_put(cache, found);
    return -ENOENT;
}

int tb_symbol_alternate_get(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                            const struct tb_symbol_altlink *link, struct tb_symbol_image **out)
{
    char hex[2 * TB_BUILD_ID_BYTES + 1];
    char path[PATH_MAX];
    tb_hex(link->build_id, link->build_id_len, hex);
    for (size_t i = 0; i < config->n_debug_dirs; i++) {
        int n = snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", config->debug_dirs[i],
                         hex, hex + 2);
        if (n > 0 && (size_t)n < sizeof(path) && try_path(cache, link, path, out) == 0)
            return 0;
    }
    const char *below = tb_symbol_altlink_below(link->name);
    for (size_t i = 0; below && i < config->n_debug_dirs; i++) {
        int n = snprintf(path, sizeof(path), "%s/.dwz/%s", config->debug_dirs[i], below);
        if (n > 0 && (size_t)n < sizeof(path) && try_path(cache, link, path, out) == 0)
            return 0;
    }
    return -ENOENT;
}
