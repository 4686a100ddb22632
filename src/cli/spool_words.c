/* spool_words.c - the spool in words, for people and as JSON. See spool.h. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "cli/print.h"
#include "cli/spool.h"
#include "item/doc.h"
#include "item/read.h"
#include "record/crash.h"
#include "record/process.h"
#include "spool/slot.h"

const char *tb_spool_escape(const char *name, char out[TB_SPOOL_TEXT])
{
    size_t n = 0;
    size_t left = strlen(name);
    while (left > 0 && n + 8 < TB_SPOOL_TEXT) {
        size_t len = tb_utf8_len(name, left);
        unsigned char c = (unsigned char)*name;
        bool is_control = c < 0x20 || c == 0x7f || c == '\\' ||
                          (c == 0xc2 && len == 2 && (unsigned char)name[1] < 0xa0);
        if (len == 0 || is_control) {
            n += (size_t)snprintf(out + n, TB_SPOOL_TEXT - n, "\\x%02x", c);
            len = 1;
        } else {
            memcpy(out + n, name, len);
            n += len;
        }
        name += len;
        left -= len;
    }
    out[n] = '\0';
    return out;
}

const char *tb_spool_class_word(int class_)
{
    static const char *const words[TB_N_CLASSES] = {"crash", "error", "warning", "info"};
    return class_ >= 0 && class_ < TB_N_CLASSES ? words[class_] : "unknown";
}

const char *tb_spool_kind_word(int kind)
{
    static const char *const words[TB_N_KINDS] = {"none",  "process",   "native", "item",
                                                  "crash", "dropcount", "threads"};
    return kind >= 0 && kind < TB_N_KINDS ? words[kind] : "unknown";
}

const char *tb_spool_user(uid_t uid, char out[TB_SPOOL_USER])
{
    static uid_t last;
    static char last_name[TB_SPOOL_USER];
    char buffer[4096];
    struct passwd entry;
    struct passwd *found = NULL;
    if (last_name[0] == '\0' || uid != last) {
        if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
            tb_print_clean(found->pw_name, last_name, sizeof(last_name));
        else
            snprintf(last_name, sizeof(last_name), "%lu", (unsigned long)uid);
        last = uid;
    }
    memcpy(out, last_name, TB_SPOOL_USER);
    return out;
}

const char *tb_spool_file_word(const struct tb_peek_file *file)
{
    if (file->is_more)
        return "threads";
    return file->is_slot ? "slot" : "segment";
}

bool tb_spool_is_damaged(const struct tb_peek_file *file)
{
    return file->state == TB_PEEK_DAMAGED || file->was_mended || file->n_damaged > 0 ||
           file->n_unknown > 0;
}

const char *tb_spool_state(const struct tb_peek_file *file)
{
    static const char *const words[] = {
        [TB_PEEK_LIVE] = "live",   [TB_PEEK_COMPLETE] = "complete", [TB_PEEK_WAITING] = "waiting",
        [TB_PEEK_EMPTY] = "empty", [TB_PEEK_DAMAGED] = "damaged",   [TB_PEEK_REFUSED] = "refused",
        [TB_PEEK_OLD] = "old"};
    if (file->in_quarantine)
        return "quarantined";
    if (file->state == TB_PEEK_COMPLETE && tb_spool_is_damaged(file))
        return "damaged";
    return words[file->state];
}

static const char *slot_words(const struct tb_peek_file *file)
{
    switch (file->slot_state) {
    case TB_SLOT_ARMED:
        return file->alive ? "armed, nothing to read" : "its process died unseen";
    case TB_SLOT_WRITING:
        return file->alive ? "a crash is being written" : "a crash, cut short";
    case TB_SLOT_COMPLETE:
        return "a crash";
    case TB_SLOT_HANDED_ON:
        return file->alive ? "a crash; an earlier handler decides" : "a crash";
    case TB_SLOT_DONE:
        return file->header.start_ticks == TB_SLOT_SPARE ? "a spare for fork children"
                                                         : "its process ended cleanly";
    default:
        return "state unknown";
    }
}

static void add(char out[TB_SPOOL_TEXT], const char *text)
{
    size_t len = strlen(out);
    snprintf(out + len, TB_SPOOL_TEXT - len, "%s%s", len > 0 ? ", " : "", text);
}

static void add_count(char out[TB_SPOOL_TEXT], uint64_t n, const char *one, const char *many)
{
    char text[96];
    if (n == 0)
        return;
    snprintf(text, sizeof(text), "%llu %s", (unsigned long long)n, n == 1 ? one : many);
    add(out, text);
}

const char *tb_spool_note(const struct tb_peek *peek, const struct tb_peek_file *file,
                          char out[TB_SPOOL_TEXT])
{
    char why[TB_SPOOL_TEXT] = "";
    out[0] = '\0';
    if (file->in_quarantine) {
        char clean[TB_SPOOL_TEXT];
        tb_peek_why(peek, file, why, sizeof(why));
        snprintf(out, TB_SPOOL_TEXT, "%s",
                 why[0] ? tb_print_clean(why, clean, sizeof(clean)) : "the reason is not known");
        return out;
    }
    if (file->why[0])
        add(out, file->why);
    else if (file->is_more)
        add(out, "the other threads of the crash in the slot of that name");
    else if (file->is_slot && file->has_header)
        add(out, slot_words(file));
    if (file->was_mended)
        add(out, "a flipped bit of the header is put right");
    add_count(out, file->n_damaged, "damaged place", "damaged places");
    add_count(out, file->n_unknown, "frame of no known use", "frames of no known use");
    add_count(out, file->n_torn, "torn write", "torn writes");
    if (!file->alive)
        add_count(out, file->n_lost, "record lost", "records lost");
    return out;
}

int64_t tb_spool_born_ms(const struct tb_peek_file *file)
{
    uint64_t ns = file->has_header ? file->header.created_wall_ns : file->mtime_ns;
    return (int64_t)(ns / TB_NS_PER_MS);
}

void tb_spool_file_json(struct tb_json *j, const struct tb_peek *peek,
                        const struct tb_peek_file *file)
{
    char user[TB_SPOOL_USER];
    char note[TB_SPOOL_TEXT];
    tb_json_kstr(j, "name", file->name);
    tb_json_kstr(j, "place", file->in_quarantine ? "quarantine" : "in");
    tb_json_kstr(j, "class", tb_spool_class_word(file->class_));
    tb_json_kstr(j, "kind", tb_spool_file_word(file));
    tb_json_kstr(j, "state", tb_spool_state(file));
    tb_json_kopt(j, "note", tb_spool_note(peek, file, note));
    tb_json_kint(j, "uid", file->uid);
    tb_json_kstr(j, "user", tb_spool_user(file->uid, user));
    tb_json_kbool(j, "owner_lives", file->alive);
    tb_json_kint(j, "size", (int64_t)file->size);
    tb_json_kint(j, "disk_bytes", (int64_t)file->bytes);
    tb_json_kint(j, "records", (int64_t)file->n_records);
    tb_json_kint(j, "pending", (int64_t)(file->n_records - file->n_acked));
    tb_json_kint(j, "acknowledged", (int64_t)file->n_acked);
    tb_json_kint(j, "threads", (int64_t)file->n_threads);
    tb_json_kint(j, "lost", (int64_t)file->n_lost);
    tb_json_kint(j, "torn", (int64_t)file->n_torn);
    tb_json_kint(j, "holes", (int64_t)file->n_holes);
    tb_json_kint(j, "unknown", (int64_t)file->n_unknown);
    tb_json_kint(j, "damaged", (int64_t)file->n_damaged);
    tb_json_kint(j, "created", tb_spool_born_ms(file) / 1000);
}

/* ---- records ---- */

/* Nobody saw the end: what the process said last. */
static void unseen_message(const struct tb_crash *crash, char out[TB_SPOOL_TEXT])
{
    char text[256];
    snprintf(out, TB_SPOOL_TEXT, "died unseen");
    if (crash->n_notes == 0)
        return;
    const struct tb_crash_note *last = &crash->notes[crash->n_notes - 1];
    snprintf(text, sizeof(text), "last note: %.*s", (int)(last->len < 200 ? last->len : 200),
             last->text);
    add(out, text);
}

/* The type as it is in the record: a demangler is not for what nobody has looked at. */
static void add_exception(const struct tb_crash *crash, char out[TB_SPOOL_TEXT])
{
    char text[256];
    if (!crash->exception_type)
        return;
    snprintf(text, sizeof(text), "exception %.100s%s%.*s", crash->exception_type,
             crash->exception_what ? ": " : "",
             (int)(crash->exception_what_len < 120 ? crash->exception_what_len : 120),
             crash->exception_what ? crash->exception_what : "");
    add(out, text);
}

static void signal_message(const struct tb_crash *crash, char out[TB_SPOOL_TEXT])
{
    const char *name = sigabbrev_np(crash->fixed.signo);
    snprintf(out, TB_SPOOL_TEXT, "%s%s at 0x%llx", name ? "SIG" : "signal ", name ? name : "?",
             (unsigned long long)crash->fixed.fault_address);
    if (crash->abort_text) {
        char text[256];
        snprintf(text, sizeof(text), "%.*s", (int)(crash->abort_len < 250 ? crash->abort_len : 250),
                 crash->abort_text);
        add(out, text);
    }
    add_exception(crash, out);
    add_count(out, crash->n_threads, "other thread", "other threads");
}

static void crash_message(const struct tb_peek_part *part, char out[TB_SPOOL_TEXT])
{
    struct tb_crash crash;
    if (tb_crash_unpack(part->data, part->len, &crash) < 0) {
        snprintf(out, TB_SPOOL_TEXT, "a crash whose beginning is missing");
        return;
    }
    if (crash.fixed.signo == 0)
        unseen_message(&crash, out);
    else
        signal_message(&crash, out);
    tb_crash_done(&crash);
}

static void dropcount_message(const struct tb_doc *doc, char out[TB_SPOOL_TEXT])
{
    char reason[64];
    (void)tb_doc_copy(doc, tb_doc_member(doc, 0, "reason"), reason, sizeof(reason));
    int64_t n = tb_doc_int(doc, tb_doc_member(doc, 0, "count"), 0);
    int class_ = (int)tb_doc_int(doc, tb_doc_member(doc, 0, "class"), -1);
    snprintf(out, TB_SPOOL_TEXT, "%lld dropped of class %s: %s", (long long)n,
             tb_spool_class_word(class_), reason);
}

static void item_message(const struct tb_peek_part *part, char out[TB_SPOOL_TEXT])
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY] = "";
    struct tb_item *item = calloc(1, sizeof(*item));
    int err = tb_doc_new((const char *)part->data, part->len, &doc, why);
    if (err < 0 || !item)
        snprintf(out, TB_SPOOL_TEXT, "no JSON: %s", why);
    else if (part->frame.kind == TB_KIND_DROPCOUNT)
        dropcount_message(doc, out);
    else {
        tb_item_read(doc, tb_item_data(doc), item);
        snprintf(out, TB_SPOOL_TEXT, "%s", item->title);
    }
    tb_doc_free(doc);
    free(item);
}

const char *tb_spool_message(const struct tb_peek_part *part, char out[TB_SPOOL_TEXT])
{
    char text[TB_SPOOL_TEXT];
    if (part->frame.kind == TB_KIND_CRASH)
        crash_message(part, text);
    else
        item_message(part, text);
    return tb_print_clean(text, out, 240);
}

const char *tb_spool_service(const struct tb_peek_part *part, char out[TB_SPOOL_USER])
{
    struct tb_process process;
    out[0] = '\0';
    if (tb_process_unpack(part->data, part->len, &process) < 0)
        return out;
    const char *slash = strrchr(process.exe, '/');
    const char *name = process.service[0] ? process.service : slash ? slash + 1 : process.exe;
    tb_print_clean(name, out, TB_SPOOL_USER);
    tb_process_done(&process);
    return out;
}
