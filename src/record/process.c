/* process.c - see process.h. The layout is section 6 of docs/spool-format.md. */
#include "record/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/pack.h"
#include "record/chunk.h"

enum { TAG_FIXED = 1, TAG_MODULE = 16, FIXED_BYTES = 32, MODULE_BYTES = 72 };

/* The texts: what is added here is packed and read. */
static const struct {
    uint16_t tag;
    size_t offset; /* of the pointer in struct tb_process */
} texts[] = {
    {2, offsetof(struct tb_process, exe)},     {3, offsetof(struct tb_process, host)},
    {4, offsetof(struct tb_process, service)}, {5, offsetof(struct tb_process, environment)},
    {6, offsetof(struct tb_process, version)}, {7, offsetof(struct tb_process, root)},
};
enum { N_TEXTS = sizeof(texts) / sizeof(texts[0]) };

struct packer {
    uint8_t *mem;
    size_t cap, len;
};

static const char *get_text(const struct tb_process *process, size_t i)
{
    const char *text;
    memcpy(&text, (const char *)process + texts[i].offset, sizeof(text));
    return text ? text : "";
}

static void set_text(struct tb_process *process, size_t i, const char *text)
{
    memcpy((char *)process + texts[i].offset, &text, sizeof(text));
}

/* One chunk of head and tail, or nothing when it does not fit. */
static void pack_chunk(struct packer *p, uint16_t tag, const uint8_t *head, size_t head_len,
                       const char *tail, size_t tail_len)
{
    size_t room = tb_chunk_room(head_len + tail_len);
    if (room > p->cap - p->len)
        return;
    uint8_t *at = p->mem + p->len;
    memset(at, 0, room);
    tb_chunk_header(tag, head_len + tail_len, at);
    if (head_len > 0)
        memcpy(at + TB_CHUNK_HEADER_BYTES, head, head_len);
    if (tail_len > 0)
        memcpy(at + TB_CHUNK_HEADER_BYTES + head_len, tail, tail_len);
    p->len += room;
}

static void pack_fixed(struct packer *p, const struct tb_process *process)
{
    uint8_t fixed[FIXED_BYTES];
    tb_put64(fixed, process->generation);
    tb_put32(fixed + 8, process->pid);
    tb_put32(fixed + 12, process->uid);
    tb_put64(fixed + 16, process->start_wall_ns);
    tb_put64(fixed + 24, process->start_ticks);
    pack_chunk(p, TAG_FIXED, fixed, sizeof(fixed), NULL, 0);
}

static void pack_module(struct packer *p, const struct tb_module *module)
{
    uint8_t head[MODULE_BYTES] = {0};
    uint32_t id_len =
        module->build_id_len <= TB_BUILD_ID_BYTES ? module->build_id_len : TB_BUILD_ID_BYTES;
    tb_put64(head, module->lo);
    tb_put64(head + 8, module->hi);
    tb_put64(head + 16, module->bias);
    tb_put64(head + 24, module->eh_frame_hdr);
    tb_put32(head + 32, module->flags);
    tb_put32(head + 36, id_len);
    memcpy(head + 40, module->build_id, id_len);
    const char *path = module->path ? module->path : "";
    pack_chunk(p, TAG_MODULE, head, sizeof(head), path, strnlen(path, TB_PATH_MAX_BYTES));
}

size_t tb_process_pack(const struct tb_process *process, uint8_t *mem, size_t cap)
{
    struct packer p = {.mem = mem, .cap = cap};
    pack_fixed(&p, process);
    for (size_t i = 0; i < N_TEXTS; i++) {
        const char *text = get_text(process, i);
        size_t len = strnlen(text, TB_PATH_MAX_BYTES);
        if (len > 0)
            pack_chunk(&p, texts[i].tag, NULL, 0, text, len);
    }
    for (size_t i = 0; i < process->n_modules; i++) {
        if (process->modules[i].flags & TB_MODULE_MAIN)
            pack_module(&p, &process->modules[i]);
    }
    for (size_t i = 0; i < process->n_modules; i++) {
        if (!(process->modules[i].flags & TB_MODULE_MAIN))
            pack_module(&p, &process->modules[i]);
    }
    return p.len;
}

/* ---- reading ---- */

/* A copy in the process's text memory, which was made large enough for all of them. */
static const char *keep_text(char **memory, const uint8_t *data, size_t len)
{
    char *text = *memory;
    size_t text_len =
        strnlen((const char *)data, len < TB_PATH_MAX_BYTES ? len : TB_PATH_MAX_BYTES);
    memcpy(text, data, text_len);
    text[text_len] = '\0';
    *memory += text_len + 1;
    return text;
}

static void read_fixed(const struct tb_chunk *chunk, struct tb_process *out)
{
    out->generation = tb_get64(chunk->data);
    out->pid = tb_get32(chunk->data + 8);
    out->uid = tb_get32(chunk->data + 12);
    out->start_wall_ns = tb_get64(chunk->data + 16);
    out->start_ticks = tb_get64(chunk->data + 24);
}

static void read_module(const struct tb_chunk *chunk, struct tb_process *out, char **memory)
{
    const uint8_t *at = chunk->data;
    struct tb_module *module = &out->modules[out->n_modules];
    *module = (struct tb_module){.lo = tb_get64(at),
                                 .hi = tb_get64(at + 8),
                                 .bias = tb_get64(at + 16),
                                 .eh_frame_hdr = tb_get64(at + 24),
                                 .flags = tb_get32(at + 32),
                                 .build_id_len = tb_get32(at + 36)};
    if (module->lo >= module->hi)
        return;
    if (module->build_id_len > TB_BUILD_ID_BYTES)
        module->build_id_len = 0; /* better none than a part of one */
    memcpy(module->build_id, at + 40, module->build_id_len);
    module->path = keep_text(memory, at + MODULE_BYTES, chunk->len - MODULE_BYTES);
    out->n_modules++;
}

static void read_text(const struct tb_chunk *chunk, struct tb_process *out, char **memory)
{
    for (size_t i = 0; i < N_TEXTS; i++) {
        if (texts[i].tag == chunk->tag)
            set_text(out, i, keep_text(memory, chunk->data, chunk->len));
    }
}

struct needs {
    size_t text_bytes, n_modules;
    int has_fixed;
};

static struct needs count_needs(const uint8_t *data, size_t len)
{
    struct needs needs = {0};
    struct tb_chunk chunk;
    size_t at = 0;
    while (tb_chunk_next(data, len, &at, &chunk) == 0) {
        needs.text_bytes += chunk.len + 1;
        if (chunk.tag == TAG_FIXED && chunk.len >= FIXED_BYTES)
            needs.has_fixed = 1;
        if (chunk.tag == TAG_MODULE && chunk.len >= MODULE_BYTES &&
            needs.n_modules < TB_MODULES_MAX)
            needs.n_modules++;
    }
    return needs;
}

static int by_lo(const void *a, const void *b)
{
    const struct tb_module *left = a;
    const struct tb_module *right = b;
    return left->lo < right->lo ? -1 : left->lo > right->lo;
}

int tb_process_unpack(const uint8_t *data, size_t len, struct tb_process *out)
{
    struct needs needs = count_needs(data, len);
    if (!needs.has_fixed)
        return -EBADMSG;
    struct tb_process process = {0};
    for (size_t i = 0; i < N_TEXTS; i++)
        set_text(&process, i, "");
    process.text = malloc(needs.text_bytes);
    process.modules = calloc(needs.n_modules > 0 ? needs.n_modules : 1, sizeof(*process.modules));
    if (!process.text || !process.modules) {
        tb_process_done(&process);
        return -ENOMEM;
    }
    char *memory = process.text;
    struct tb_chunk chunk;
    size_t at = 0;
    while (tb_chunk_next(data, len, &at, &chunk) == 0) {
        if (chunk.tag == TAG_FIXED && chunk.len >= FIXED_BYTES)
            read_fixed(&chunk, &process);
        else if (chunk.tag == TAG_MODULE && chunk.len >= MODULE_BYTES &&
                 process.n_modules < needs.n_modules)
            read_module(&chunk, &process, &memory);
        else
            read_text(&chunk, &process, &memory);
    }
    qsort(process.modules, process.n_modules, sizeof(*process.modules), by_lo);
    *out = process;
    return 0;
}

void tb_process_done(struct tb_process *process)
{
    if (!process)
        return;
    free(process->modules);
    free(process->text);
    *process = (struct tb_process){0};
}

const struct tb_module *tb_process_module(const struct tb_process *process, uint64_t address)
{
    size_t low = 0;
    size_t high = process->n_modules; /* modules before low begin at or below address */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (process->modules[middle].lo <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address >= process->modules[low - 1].hi)
        return NULL;
    return &process->modules[low - 1];
}
