/* answer_places.c - see answer_places.h. */
#include "symbol/answer/answer_places.h"

#include <errno.h>
#include <string.h>

#include "base/pack.h"
#include "symbol/answer/answer_frame.h"
#include "symbol/index/layout.h"
#include "symbol/places.h"
#include "symbol/stack/frames.h"
#include "symbol/stack/module_index.h"

/* Where the function of that name is, link-time. 0 or -ENOENT. What the index says is not trusted.
 */
static int find_function(const struct tb_symbol_index *index, const char *name, size_t name_len,
                         uint64_t *out)
{
    enum { ENTRY_BYTES = 4 * TB_SYMBOL_SYMBOL_WORDS, AT = 0, NAME = 8 };
    for (size_t i = 0; i < index->n_symbols; i++) {
        const uint8_t *entry = index->symbols + i * ENTRY_BYTES;
        uint32_t at = tb_get32(entry + NAME);
        if (at >= index->strings_len || name_len >= index->strings_len - at)
            continue;
        const char *found = index->strings + at;
        size_t len = strcspn(found, "@"); /* without its version */
        if (len == name_len && memcmp(found, name, name_len) == 0) {
            *out = index->base + tb_get32(entry + AT);
            return 0;
        }
    }
    return -ENOENT;
}

/* The address of what was asked. 0 or -ENOENT. */
static int resolve(struct tb_symbol_modules *modules, const struct tb_symbol_asked *asked,
                   uint64_t *out)
{
    uint64_t function;
    *out = asked->address;
    if (asked->name_len == 0)
        return 0;
    struct tb_symbol_module *module = tb_symbol_modules_find(modules, asked->address);
    if (!module)
        return -ENOENT;
    tb_symbol_module_load_index(modules, module);
    if (!module->index || find_function(module->index, asked->name, asked->name_len, &function))
        return -ENOENT;
    *out = asked->address + function - (module->info->lo - module->info->bias);
    return 0;
}

static int write_place(struct tb_json *j, struct tb_symbol_modules *modules,
                       const struct tb_symbol_asked *asked)
{
    struct tb_symbol_frames frames = {0};
    struct tb_symbol_raw raw = {.trust = TB_SYMBOL_TRUST_UNKNOWN,
                                .is_exact = (asked->flags & TB_SYMBOL_ASKED_EXACT) != 0};
    int err = 0;
    if (resolve(modules, asked, &raw.ip) == 0)
        err = tb_symbol_frames_add(modules, &raw, &frames);
    tb_json_object(j);
    tb_json_key(j, "frames");
    tb_json_array(j);
    for (size_t i = 0; i < frames.n; i++) {
        tb_json_object(j);
        tb_symbol_answer_name(j, modules->process, &frames.items[i]);
        tb_symbol_answer_place(j, &frames.items[i], true);
        tb_json_end(j);
    }
    tb_json_end(j);
    tb_json_end(j);
    tb_symbol_frames_done(&frames);
    return err;
}

static int write_places(struct tb_json *j, struct tb_symbol_modules *modules, const uint8_t *body,
                        size_t body_len)
{
    struct tb_symbol_asked asked;
    size_t at = 0;
    size_t n = 0;
    int err = 0;
    tb_json_object(j);
    tb_json_key(j, "places");
    tb_json_array(j);
    while (err == 0 && (err = tb_symbol_asked_next(body, body_len, &at, &asked)) == 0)
        err = n++ < TB_SYMBOL_PLACES_ASKED_MAX ? write_place(j, modules, &asked) : -EBADMSG;
    if (err != -ENODATA)
        return err;
    tb_json_end(j);
    tb_json_key(j, "modules");
    tb_json_array(j);
    for (size_t i = 0; i < modules->process->n_modules; i++)
        tb_symbol_answer_module(j, &modules->items[i]);
    tb_json_end(j);
    tb_json_end(j);
    return j->err;
}

int tb_symbol_answer_places(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                            const struct tb_process *process, const uint8_t *body, size_t body_len,
                            struct tb_json *out)
{
    struct tb_symbol_modules modules;
    int err = tb_symbol_modules_init(cache, config, process, &modules);
    if (err)
        return err;
    modules.takes_any = true;
    err = write_places(out, &modules, body, body_len);
    tb_symbol_modules_done(&modules);
    tb_symbol_cache_trim(cache);
    return err;
}
