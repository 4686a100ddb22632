/* kind.c - see kind.h. */
#include "agent/pipeline/kind.h"

#include <stdlib.h>
#include <string.h>

#include "item/doc.h"
#include "item/read.h"
#include "record/crash.h"

enum { ADDRESS_TEXT = 32, PAGE_MASK = 0xfff };

/* ---- a hash (FNV-1a, 64 bits): collisions cost a record in between, no more ---- */

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_bytes(hash, text, strlen(text) + 1);
}

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return hash_bytes(hash, &number, sizeof(number));
}

/* A message without its numbers, which name the occasion and not the bug. */
static uint64_t hash_message(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            hash = hash_bytes(hash, text, 1);
    }
    return hash;
}

static uint64_t first_hash(int kind)
{
    return hash_number(UINT64_C(0xcbf29ce484222325), (uint64_t)kind);
}

/* ---- the process ---- */

void tb_kinds_init(struct tb_kinds *kinds, struct tb_spool *spool)
{
    memset(kinds, 0, sizeof(*kinds));
    kinds->spool = spool;
}

static void forget_process(struct tb_kinds *kinds)
{
    if (kinds->is_known)
        tb_process_done(&kinds->process);
    kinds->is_known = 0;
}

void tb_kinds_done(struct tb_kinds *kinds)
{
    forget_process(kinds);
}

static const struct tb_process *
process_of(struct tb_kinds *kinds, const struct tb_spool_record *record, uint64_t generation)
{
    const uint8_t *data;
    size_t len;
    if (kinds->is_asked && kinds->file_id == record->file_id && kinds->generation == generation)
        return kinds->is_known ? &kinds->process : NULL;
    forget_process(kinds);
    kinds->is_asked = 1;
    kinds->file_id = record->file_id;
    kinds->generation = generation;
    if (kinds->spool != NULL &&
        tb_spool_context(kinds->spool, record, generation, &data, &len) == 0)
        kinds->is_known = tb_process_unpack(data, len, &kinds->process) == 0;
    return kinds->is_known ? &kinds->process : NULL;
}

static uint64_t hash_program(uint64_t hash, const struct tb_process *process)
{
    return process != NULL ? hash_text(hash, process->exe) : hash;
}

/* Where an address is in its module. Where that is not known its place in the page must do: modules
 * are loaded at whole pages. */
static uint64_t hash_address(uint64_t hash, const struct tb_process *process, uint64_t address)
{
    const struct tb_module *module = process != NULL ? tb_process_module(process, address) : NULL;
    if (module == NULL)
        return hash_number(hash, address & PAGE_MASK);
    const char *slash = strrchr(module->path, '/');
    hash = hash_text(hash, slash != NULL ? slash + 1 : module->path);
    return hash_number(hash, address - module->bias);
}

/* ---- records ---- */

static uint64_t kind_of_crash(struct tb_kinds *kinds, const struct tb_spool_record *record)
{
    struct tb_crash crash;
    uint64_t hash = first_hash(TB_KIND_CRASH);
    if (tb_crash_unpack(record->data, record->len, &crash) != 0)
        return hash;
    const struct tb_process *process = process_of(kinds, record, crash.fixed.generation);
    hash = hash_number(hash, (uint64_t)crash.fixed.signo);
    hash = hash_program(hash, process);
    for (size_t i = 0; i < crash.n_frames && i < TB_KIND_FRAMES; i++)
        hash = hash_address(hash, process, crash.frames[i].ip);
    if (crash.n_frames == 0)
        hash = hash_address(hash, process, crash.fixed.fault_address);
    tb_crash_done(&crash);
    return hash;
}

static int read_hex(const struct tb_doc *doc, int node, uint64_t *out)
{
    char text[ADDRESS_TEXT];
    if (!tb_doc_copy(doc, node, text, sizeof(text)) || strncmp(text, "0x", 2) != 0)
        return 0;
    *out = strtoull(text + 2, NULL, 16); /* nonsense is as good a name as any */
    return 1;
}

static uint64_t hash_frame(uint64_t hash, const struct tb_doc *doc, int frame,
                           const struct tb_process *process)
{
    char text[TB_ITEM_TEXT];
    uint64_t address;
    if (read_hex(doc, tb_doc_member(doc, frame, "address"), &address))
        return hash_address(hash, process, address);
    (void)tb_doc_copy(doc, tb_doc_member(doc, frame, "filename"), text, sizeof(text));
    hash = hash_text(hash, text);
    return hash_number(hash, (uint64_t)tb_doc_int(doc, tb_doc_member(doc, frame, "lineno"), 0));
}

/* Frames are oldest first: the innermost are the last. */
static uint64_t hash_frames(uint64_t hash, const struct tb_doc *doc, int frames,
                            const struct tb_process *process)
{
    int n_before = tb_doc_at(doc, frames)->n_members - TB_KIND_FRAMES;
    for (int f = tb_doc_at(doc, frames)->first; f >= 0; f = tb_doc_at(doc, f)->next) {
        if (n_before-- <= 0)
            hash = hash_frame(hash, doc, f, process);
    }
    return hash;
}

static uint64_t hash_item(struct tb_kinds *kinds, const struct tb_spool_record *record,
                          const struct tb_doc *doc)
{
    struct tb_item facts;
    const struct tb_process *process = NULL;
    uint64_t generation = 0;
    uint64_t hash = first_hash(record->kind);
    int data = tb_item_data(doc);
    tb_item_read(doc, data, &facts);
    if (facts.fingerprint[0] != '\0')
        return hash_text(hash, facts.fingerprint);
    if (record->kind == TB_KIND_NATIVE) {
        (void)read_hex(doc, tb_doc_find(doc, data, "custom.native.generation"), &generation);
        process = process_of(kinds, record, generation);
        hash = hash_program(hash, process);
    }
    hash = hash_text(hash, facts.exception_class);
    if (facts.frames_node >= 0 && tb_doc_at(doc, facts.frames_node)->n_members > 0)
        return hash_frames(hash, doc, facts.frames_node, process);
    return hash_message(hash, facts.message);
}

static uint64_t kind_of_item(struct tb_kinds *kinds, const struct tb_spool_record *record)
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    if (tb_doc_new((const char *)record->data, record->len, &doc, why) != 0)
        return first_hash(record->kind);
    uint64_t hash = hash_item(kinds, record, doc);
    tb_doc_free(doc);
    return hash;
}

uint64_t tb_kind_of(void *arg, const struct tb_spool_record *record)
{
    struct tb_kinds *kinds = arg;
    switch (record->kind) {
    case TB_KIND_CRASH:
        return kind_of_crash(kinds, record);
    case TB_KIND_NATIVE:
    case TB_KIND_ITEM:
        return kind_of_item(kinds, record);
    default:
        return first_hash(record->kind);
    }
}
