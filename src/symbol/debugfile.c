/* debugfile.c - see debugfile.h. */
#include "symbol/debugfile.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "symbol/file.h"

/* What is looked for. */
struct search {
    const struct tb_symbol_config *config;
    const struct tb_symbol_elf *module;
    const char *path; /* of the module */
    uint32_t uid;
    const char *link; /* name in .gnu_debuglink, or NULL */
    uint32_t crc;     /* that goes with it */
};

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

static bool belongs(const struct search *s, const struct tb_symbol_elf *found, bool by_link)
{
    const struct tb_symbol_elf *module = s->module;
    if (module->build_id_len > 0 || found->build_id_len > 0)
        return module->build_id_len == found->build_id_len &&
               memcmp(module->build_id, found->build_id, found->build_id_len) == 0;
    return by_link && crc32_ieee(found->bytes, found->len) == s->crc;
}

/* is_ours: the path is in a folder that the configuration names. Else the reporter chose it. */
static int try_path(const struct search *s, const char *path, bool by_link, bool is_ours,
                    struct tb_symbol_elf *out)
{
    int fd = tb_symbol_file_open(path, TB_SYMBOL_MODULE_BYTES_MAX);
    if (fd < 0)
        return -ENOENT;
    if (!is_ours && !tb_symbol_file_may_read(fd, s->uid)) {
        close(fd);
        return -ENOENT;
    }
    struct tb_symbol_elf found;
    if (tb_symbol_elf_open(fd, &found) != 0)
        return -ENOENT;
    if (!belongs(s, &found, by_link)) {
        tb_symbol_elf_done(&found);
        return -ENOENT;
    }
    *out = found;
    return 0;
}

static int try_build_id(const struct search *s, struct tb_symbol_elf *out)
{
    char hex[2 * TB_BUILD_ID_BYTES + 1];
    char path[PATH_MAX];
    if (s->module->build_id_len < 2)
        return -ENOENT;
    tb_hex(s->module->build_id, s->module->build_id_len, hex);
    for (size_t i = 0; i < s->config->n_debug_dirs; i++) {
        int n = snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", s->config->debug_dirs[i],
                         hex, hex + 2);
        if (n > 0 && (size_t)n < sizeof(path) && try_path(s, path, false, true, out) == 0)
            return 0;
    }
    return -ENOENT;
}

static int try_link(const struct search *s, struct tb_symbol_elf *out)
{
    char path[PATH_MAX];
    const char *slash = strrchr(s->path, '/');
    int dir_len = slash ? (int)(slash - s->path) : 0;
    for (size_t i = 0; i < s->config->n_debug_dirs + 2; i++) {
        bool is_ours = i >= 2;
        int n =
            snprintf(path, sizeof(path), "%s%.*s%s/%s", is_ours ? s->config->debug_dirs[i - 2] : "",
                     dir_len, s->path, i == 1 ? "/.debug" : "", s->link);
        if (n > 0 && (size_t)n < sizeof(path) && try_path(s, path, true, is_ours, out) == 0)
            return 0;
    }
    return -ENOENT;
}

int tb_symbol_debugfile_open(const struct tb_symbol_config *config,
                             const struct tb_symbol_elf *module, const char *path, uint32_t uid,
                             struct tb_symbol_elf *out)
{
    struct search s = {.config = config, .module = module, .path = path, .uid = uid};
    GElf_Word crc = 0;
    if (try_build_id(&s, out) == 0)
        return 0;
    s.link = dwelf_elf_gnu_debuglink(module->elf, &crc);
    s.crc = crc;
    /* A name, never a path. */
    if (!s.link || s.link[0] == '\0' || s.link[0] == '.' || strchr(s.link, '/'))
        return -ENOENT;
    return try_link(&s, out);
}
