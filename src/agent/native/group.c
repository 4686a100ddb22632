/* group.c - see group.h. */
#include "agent/native/group.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/native/group_forwarded.h"
#include "agent/native/group_functions.h"
#include "agent/native/group_inputs.h"
#include "base/id.h"

enum { SHA1_BYTES = 20, TEXT_BYTES = 1024, PRINTED_BYTES = 8 << 10 };

int tb_group_digest(const struct tb_buf *text, char out[TB_FINGERPRINT_TEXT])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (text->err || EVP_Digest(text->data, text->len, digest, &len, EVP_sha1(), NULL) != 1)
        return -ENOMEM;
    tb_hex(digest, SHA1_BYTES, out);
    return 0;
}

static int copy_at(const struct tb_doc *item, const char *path, char *out, size_t cap)
{
    return tb_doc_copy(item, tb_doc_find(item, 0, path), out, cap) && out[0] != '\0';
}

static void class_of(const struct tb_doc *item, char *out, size_t cap)
{
    if (!copy_at(item, "body.trace.exception.class", out, cap))
        (void)copy_at(item, "body.trace_chain.0.exception.class", out, cap);
}

void tb_group_culprit(const struct tb_doc *item, char *out, size_t cap)
{
    struct tb_group_functions found;
    out[0] = '\0';
    if (tb_group_functions_find(item, &found) != 0)
        return;
    const char *name = found.n_cycle > 0 ? found.cycle[0] : found.n > 0 ? found.names[0] : "";
    snprintf(out, cap, "%.*s", (int)tb_group_module_len(name), name);
}

/* ---- native items ---- */

/* The expression and the function, which compilers spell with and without its type: gcc says "push"
 * where clang says "int push(struct ring *)". */
static void clean_assertion(char *text, size_t cap)
{
    static const char between[] = " in ";
    char function[TB_GROUP_NAME_BYTES];
    char *last = NULL;
    for (char *at = strstr(text, between); at != NULL; at = strstr(at + 1, between))
        last = at;
    if (last == NULL)
        return;
    last += strlen(between);
    tb_group_clean_signature(last, function, sizeof(function));
    snprintf(last, cap - (size_t)(last - text), "%s", function);
}

/* What else tells bugs apart. Returns what stands before it in a sentence. */
static const char *text_of(const struct tb_doc *item, char *out, size_t cap)
{
    if (copy_at(item, "custom.native.format", out, cap))
        return "format: ";
    if (copy_at(item, "custom.native.assertion", out, cap)) {
        clean_assertion(out, cap);
        return ""; /* it says so itself */
    }
    if (copy_at(item, "custom.native.syscall.name", out, cap))
        return "system call: ";
    int number = tb_doc_find(item, 0, "custom.native.syscall.number");
    if (number >= 0)
        snprintf(out, cap, "%d", (int)tb_doc_int(item, number, -1));
    return "system call: ";
}

static int group_native(const struct tb_doc *item, struct tb_group *out)
{
    char class_[TB_GROUP_NAME_BYTES];
    char service[TB_GROUP_NAME_BYTES];
    char more[TEXT_BYTES];
    char cause[TB_GROUP_NAME_BYTES];
    struct tb_group_functions found;
    struct tb_buf text;
    class_of(item, class_, sizeof(class_));
    (void)copy_at(item, "custom.service", service, sizeof(service));
    (void)copy_at(item, "custom.native.cause", cause, sizeof(cause));
    const char *more_is = text_of(item, more, sizeof(more));
    int err = tb_group_functions_find(item, &found);
    if (err)
        return err;
    tb_buf_init(&text, PRINTED_BYTES);
    tb_buf_addf(&text, "towbar 2\n%s\n%s\n", service, class_);
    for (size_t i = 0; i < found.n_cycle; i++)
        tb_buf_addf(&text, "recursion %s\n", found.cycle[i]);
    for (size_t i = 0; i < found.n; i++)
        tb_buf_addf(&text, "%s\n", found.names[i]);
    tb_buf_addf(&text, "%s", more);
    if (cause[0] != '\0')
        tb_buf_addf(&text, "\ncause %s", cause);
    err = tb_group_digest(&text, out->fingerprint);
    tb_buf_done(&text);
    if (err)
        return err;
    return tb_group_inputs_write(&(struct tb_group_inputs){.by = "functions",
                                                           .service = service,
                                                           .class_ = class_,
                                                           .functions = &found,
                                                           .cause = cause,
                                                           .text = more,
                                                           .text_is = more_is},
                                 &out->inputs);
}

/* Of a process that died unseen nothing is known of its inside. */
static int group_vanished(const struct tb_doc *item, struct tb_group *out)
{
    char class_[TB_GROUP_NAME_BYTES];
    char service[TB_GROUP_NAME_BYTES];
    char executable[TB_GROUP_NAME_BYTES];
    struct tb_buf text;
    class_of(item, class_, sizeof(class_));
    (void)copy_at(item, "custom.service", service, sizeof(service));
    (void)copy_at(item, "custom.native.executable", executable, sizeof(executable));
    int is_oom = tb_doc_find(item, 0, "custom.native.oom_killer") >= 0;
    tb_buf_init(&text, PRINTED_BYTES);
    tb_buf_addf(&text, "towbar vanished 1\n%s\n%s\n%s\n", service, class_, executable);
    if (is_oom)
        tb_buf_adds(&text, "OOM killer\n");
    int err = tb_group_digest(&text, out->fingerprint);
    tb_buf_done(&text);
    if (err)
        return err;
    return tb_group_inputs_write(&(struct tb_group_inputs){.by = "end",
                                                           .service = service,
                                                           .class_ = class_,
                                                           .executable = executable,
                                                           .is_oom = is_oom},
                                 &out->inputs);
}

static int is_vanished(const struct tb_doc *item)
{
    char kind[TB_GROUP_NAME_BYTES];
    return copy_at(item, "custom.native.kind", kind, sizeof(kind)) && strcmp(kind, "vanished") == 0;
}

/* ---- forwarded items ---- */

static int group_forwarded(const struct tb_doc *item, struct tb_group *out)
{
    static const char *const by[] = {[TB_GROUP_BY_TRACE] = "trace",
                                     [TB_GROUP_BY_CHAIN] = "trace_chain",
                                     [TB_GROUP_BY_MESSAGE] = "message"};
    static const char forwarded[] = "forwarded\n";
    char own[TEXT_BYTES];
    char class_[TB_GROUP_NAME_BYTES];
    struct tb_group_inputs inputs = {.by = "fingerprint", .class_ = class_};
    struct tb_buf text;
    /* What is hashed begins as no native item's does, so that no client can join one of those. */
    tb_buf_init(&text, sizeof(forwarded) + TB_DOC_BYTES);
    tb_buf_adds(&text, forwarded);
    class_of(item, class_, sizeof(class_));
    if (copy_at(item, "fingerprint", own, sizeof(own)))
        tb_buf_addf(&text, "fingerprint\n%s", own);
    else
        inputs.by = by[tb_group_forwarded_text(item, &text)];
    int err = tb_group_digest(&text, out->fingerprint);
    tb_buf_done(&text);
    return err ? err : tb_group_inputs_write(&inputs, &out->inputs);
}

int tb_group_item(const struct tb_doc *item, int is_native, struct tb_group *out)
{
    memset(out, 0, sizeof(*out));
    tb_buf_init(&out->inputs, TB_GROUP_INPUTS_BYTES);
    if (!is_native)
        return group_forwarded(item, out);
    return is_vanished(item) ? group_vanished(item, out) : group_native(item, out);
}

void tb_group_done(struct tb_group *group)
{
    if (group != NULL)
        tb_buf_done(&group->inputs);
}
