/* group.c - see group.h. */
#include "agent/native/group.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/json.h"

enum { NAME_BYTES = 256, INPUTS_BYTES = 8 << 10, SHA1_BYTES = 20, TEXT_BYTES = 1024 };

static const char *const suffixes[] = {".part.", ".isra.",     ".constprop.", ".cold",
                                       ".llvm.", ".lto_priv.", ".localalias"};

/* Whole names, without leading underscores. */
static const char *const noise_names[] = {"abort",
                                          "raise",
                                          "gsignal",
                                          "kill",
                                          "tgkill",
                                          "pthread_kill",
                                          "assert_fail",
                                          "assert_fail_base",
                                          "assert_perror_fail",
                                          "assert",
                                          "malloc",
                                          "calloc",
                                          "realloc",
                                          "free",
                                          "cfree",
                                          "memalign",
                                          "posix_memalign",
                                          "aligned_alloc",
                                          "reallocarray",
                                          "int_free",
                                          "int_malloc",
                                          "int_realloc",
                                          "malloc_printerr",
                                          "libc_message",
                                          "malloc_consolidate",
                                          "fortify_fail",
                                          "chk_fail",
                                          "stack_chk_fail",
                                          "stack_chk_fail_local",
                                          "start_thread",
                                          "clone",
                                          "clone3",
                                          "start",
                                          "restore_rt",
                                          "terminate",
                                          "rethrow",
                                          "throw",
                                          "unexpected"};

/* Beginnings of names, as they are. */
static const char *const noise_starts[] = {
    "__pthread_kill", "__libc_start",    "__GI_",        "__libc_message",
    "operator new",   "operator delete", "towbar_",      "tb_capture",
    "std::terminate", "__cxa_",          "__cxxabiv1::", "__gnu_cxx::__verbose"};

/* Modules whose functions are never the bug's own. */
static const char *const noise_modules[] = {"libc.so",    "libc-",     "ld-linux", "libpthread",
                                            "libtowbar",  "libstdc++", "libgcc_s", "libunwind",
                                            "linux-vdso", "[vdso]"};

#define N(table) (sizeof(table) / sizeof((table)[0]))

void tb_group_clean(const char *method, char *out, size_t cap)
{
    size_t len = strlen(method);
    for (size_t i = 0; i < N(suffixes); i++) {
        const char *at = strstr(method, suffixes[i]);
        if (at != NULL && at != method && (size_t)(at - method) < len)
            len = (size_t)(at - method);
    }
    snprintf(out, cap, "%.*s", (int)len, method);
}

int tb_group_is_noise(const char *method)
{
    for (size_t i = 0; i < N(noise_starts); i++)
        if (strncmp(method, noise_starts[i], strlen(noise_starts[i])) == 0)
            return 1;
    while (*method == '_')
        method++;
    for (size_t i = 0; i < N(noise_names); i++)
        if (strcmp(method, noise_names[i]) == 0)
            return 1;
    return 0;
}

static int is_noise_module(const char *name)
{
    for (size_t i = 0; i < N(noise_modules); i++)
        if (strncmp(name, noise_modules[i], strlen(noise_modules[i])) == 0)
            return 1;
    return 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static int is_true(const struct tb_doc *item, int node)
{
    /* The only JSON value of type bool with four letters. */
    const struct tb_doc_node *n = node >= 0 ? tb_doc_at(item, node) : NULL;
    return n != NULL && n->type == TB_DOC_BOOL && n->len == 4;
}

static int is_false(const struct tb_doc *item, int node)
{
    const struct tb_doc_node *n = node >= 0 ? tb_doc_at(item, node) : NULL;
    return n != NULL && n->type == TB_DOC_BOOL && n->len == 5;
}

/* The name a frame counts by; false when it does not count. */
static int frame_name(const struct tb_doc *item, int frame, int need_in_app, char out[NAME_BYTES])
{
    char method[NAME_BYTES];
    char module[NAME_BYTES];
    if (is_true(item, tb_doc_member(item, frame, "inlined")))
        return 0;
    if (need_in_app && is_false(item, tb_doc_member(item, frame, "in_app")))
        return 0;
    (void)tb_doc_copy(item, tb_doc_member(item, frame, "module"), module, sizeof(module));
    if (is_noise_module(base_name(module)))
        return 0;
    (void)tb_doc_copy(item, tb_doc_member(item, frame, "method"), method, sizeof(method));
    if (method[0] == '\0' || strcmp(method, "<unknown>") == 0) {
        snprintf(out, NAME_BYTES, "%s", base_name(module));
        return out[0] != '\0';
    }
    if (tb_group_is_noise(method))
        return 0;
    tb_group_clean(method, out, NAME_BYTES);
    return 1;
}

/* The members of frames from the newest on: frames are a list that is linked forwards only, so
 * their numbers are laid out first. Returns how many; *out is freed by the caller. */
static size_t newest_first(const struct tb_doc *item, int **out)
{
    int frames = tb_doc_find(item, 0, "body.trace.frames");
    const struct tb_doc_node *list = frames >= 0 ? tb_doc_at(item, frames) : NULL;
    *out = NULL;
    if (list == NULL || list->type != TB_DOC_ARRAY || list->n_members <= 0)
        return 0;
    size_t n = (size_t)list->n_members;
    *out = calloc(n, sizeof(**out));
    if (*out == NULL)
        return 0;
    size_t at = n;
    for (int f = list->first; f >= 0 && at > 0; f = tb_doc_at(item, f)->next)
        (*out)[--at] = f;
    return n;
}

struct functions {
    char names[TB_GROUP_FUNCTIONS][NAME_BYTES];
    size_t n;
};

static void add_distinct(struct functions *found, const char *name)
{
    for (size_t i = 0; i < found->n; i++)
        if (strcmp(found->names[i], name) == 0)
            return;
    snprintf(found->names[found->n++], NAME_BYTES, "%s", name);
}

/* The program's own functions first; when it has none among the frames, any that count. */
static void find_functions(const struct tb_doc *item, size_t want, struct functions *out)
{
    int *frames = NULL;
    size_t n = newest_first(item, &frames);
    out->n = 0;
    for (int need_in_app = 1; need_in_app >= 0 && out->n == 0; need_in_app--) {
        for (size_t i = 0; i < n && out->n < want; i++) {
            char name[NAME_BYTES];
            if (frame_name(item, frames[i], need_in_app, name))
                add_distinct(out, name);
        }
    }
    free(frames);
}

void tb_group_culprit(const struct tb_doc *item, char *out, size_t cap)
{
    struct functions found;
    find_functions(item, 1, &found);
    snprintf(out, cap, "%s", found.n > 0 ? found.names[0] : "");
}

static int sha1(const struct tb_buf *text, char out[TB_FINGERPRINT_TEXT])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (text->err || EVP_Digest(text->data, text->len, digest, &len, EVP_sha1(), NULL) != 1)
        return -ENOMEM;
    tb_hex(digest, SHA1_BYTES, out);
    return 0;
}

/* What a fingerprint was made from; NULL where it had no part. */
struct inputs {
    const char *by, *service, *class_;
    const struct functions *functions;
    const char *text, *executable;
};

static int write_inputs(struct tb_group *out, const struct inputs *in)
{
    char mem[INPUTS_BYTES];
    struct tb_json j;
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_json_kstr(&j, "by", in->by);
    tb_json_kopt(&j, "service", in->service);
    tb_json_kopt(&j, "class", in->class_);
    if (in->functions != NULL) {
        tb_json_key(&j, "functions");
        tb_json_array(&j);
        for (size_t i = 0; i < in->functions->n; i++)
            tb_json_str(&j, in->functions->names[i]);
        tb_json_end(&j);
    }
    tb_json_kopt(&j, "text", in->text);
    tb_json_kopt(&j, "executable", in->executable);
    tb_json_end(&j);
    (void)tb_json_finish(&j); /* what was cut is still valid, and for people only */
    tb_buf_adds(&out->inputs, mem);
    return out->inputs.err;
}

static void class_of(const struct tb_doc *item, char *out, size_t cap)
{
    int node = tb_doc_find(item, 0, "body.trace.exception.class");
    if (node < 0)
        node = tb_doc_find(item, 0, "body.trace_chain.0.exception.class");
    (void)tb_doc_copy(item, node, out, cap);
}

static int group_native(const struct tb_doc *item, struct tb_group *out)
{
    char class_[NAME_BYTES];
    char service[NAME_BYTES];
    char format[TEXT_BYTES];
    struct functions found;
    struct tb_buf text;
    tb_buf_init(&text, INPUTS_BYTES);
    class_of(item, class_, sizeof(class_));
    if (!tb_doc_copy(item, tb_doc_find(item, 0, "custom.native.format"), format, sizeof(format)))
        (void)tb_doc_copy(item, tb_doc_find(item, 0, "custom.native.assertion"), format,
                          sizeof(format));
    find_functions(item, TB_GROUP_FUNCTIONS, &found);
    (void)tb_doc_copy(item, tb_doc_find(item, 0, "custom.service"), service, sizeof(service));
    tb_buf_addf(&text, "towbar 1\n%s\n%s\n", service, class_);
    for (size_t i = 0; i < found.n; i++)
        tb_buf_addf(&text, "%s\n", found.names[i]);
    tb_buf_addf(&text, "%s", format);
    int err = sha1(&text, out->fingerprint);
    tb_buf_done(&text);
    if (err)
        return err;
    return write_inputs(out, &(struct inputs){.by = "functions",
                                              .service = service,
                                              .class_ = class_,
                                              .functions = &found,
                                              .text = format});
}

/* Of a process that died unseen nothing is known of its inside. */
static int group_vanished(const struct tb_doc *item, struct tb_group *out)
{
    char class_[NAME_BYTES];
    char service[NAME_BYTES];
    char executable[NAME_BYTES];
    struct tb_buf text;
    tb_buf_init(&text, INPUTS_BYTES);
    class_of(item, class_, sizeof(class_));
    (void)tb_doc_copy(item, tb_doc_find(item, 0, "custom.service"), service, sizeof(service));
    (void)tb_doc_copy(item, tb_doc_find(item, 0, "custom.native.executable"), executable,
                      sizeof(executable));
    tb_buf_addf(&text, "towbar vanished 1\n%s\n%s\n%s\n", service, class_, executable);
    int is_oom = tb_doc_find(item, 0, "custom.native.oom_killer") >= 0;
    if (is_oom)
        tb_buf_adds(&text, "OOM killer\n");
    int err = sha1(&text, out->fingerprint);
    tb_buf_done(&text);
    return err ? err
               : write_inputs(out, &(struct inputs){.by = "end",
                                                    .service = service,
                                                    .class_ = class_,
                                                    .text = is_oom ? "OOM killer" : "",
                                                    .executable = executable});
}

static int is_vanished(const struct tb_doc *item)
{
    char kind[NAME_BYTES];
    return tb_doc_copy(item, tb_doc_find(item, 0, "custom.native.kind"), kind, sizeof(kind)) &&
           strcmp(kind, "vanished") == 0;
}

/* ---- forwarded items ---- */

static void add_member(const struct tb_doc *item, int object, const char *key, struct tb_buf *text)
{
    int node = tb_doc_member(item, object, key);
    if (node >= 0 && tb_doc_at(item, node)->type == TB_DOC_STRING)
        tb_doc_string(item, node, text);
}

static void add_trace(const struct tb_doc *item, int trace, struct tb_buf *text)
{
    int frames = tb_doc_member(item, trace, "frames");
    const struct tb_doc_node *list = frames >= 0 ? tb_doc_at(item, frames) : NULL;
    if (list != NULL && list->type == TB_DOC_ARRAY) {
        for (int f = list->first; f >= 0; f = tb_doc_at(item, f)->next) {
            add_member(item, f, "filename", text);
            add_member(item, f, "method", text);
        }
    }
    int exception = tb_doc_member(item, trace, "exception");
    if (exception >= 0)
        add_member(item, exception, "class", text);
}

/* Message text without what differs from one occurrence to the next: runs of two and more digits.
 */
static void add_message(const char *message, struct tb_buf *text)
{
    for (const char *c = message; *c != '\0';) {
        size_t digits = strspn(c, "0123456789");
        if (digits < 2)
            tb_buf_add(text, c, digits == 0 ? 1 : digits);
        c += digits == 0 ? 1 : digits;
    }
}

static const char *add_body(const struct tb_doc *item, struct tb_buf *text)
{
    int body = tb_doc_find(item, 0, "body");
    int trace = body >= 0 ? tb_doc_member(item, body, "trace") : -1;
    int chain = body >= 0 ? tb_doc_member(item, body, "trace_chain") : -1;
    if (trace >= 0) {
        add_trace(item, trace, text);
        return "trace";
    }
    if (chain >= 0 && tb_doc_at(item, chain)->type == TB_DOC_ARRAY) {
        for (int t = tb_doc_at(item, chain)->first; t >= 0; t = tb_doc_at(item, t)->next)
            add_trace(item, t, text);
        return "trace_chain";
    }
    int message = tb_doc_find(item, 0, "body.message.body");
    if (message < 0)
        message = tb_doc_find(item, 0, "body.crash_report.raw");
    char copy[TEXT_BYTES];
    (void)tb_doc_copy(item, message, copy, sizeof(copy));
    add_message(copy, text);
    return "message";
}

static int group_forwarded(const struct tb_doc *item, struct tb_group *out)
{
    char own[TEXT_BYTES];
    char class_[NAME_BYTES];
    const char *by = "fingerprint";
    struct tb_buf text;
    int err = 0;
    tb_buf_init(&text, TB_DOC_BYTES);
    class_of(item, class_, sizeof(class_));
    if (tb_doc_copy(item, tb_doc_find(item, 0, "fingerprint"), own, sizeof(own)) && own[0] != '\0')
        tb_buf_adds(&text, own);
    else
        by = add_body(item, &text);
    if (strcmp(by, "fingerprint") == 0 && strlen(own) < TB_FINGERPRINT_TEXT)
        snprintf(out->fingerprint, sizeof(out->fingerprint), "%s", own);
    else
        err = sha1(&text, out->fingerprint);
    tb_buf_done(&text);
    return err ? err : write_inputs(out, &(struct inputs){.by = by, .class_ = class_});
}

int tb_group_item(const struct tb_doc *item, int is_native, struct tb_group *out)
{
    memset(out, 0, sizeof(*out));
    tb_buf_init(&out->inputs, INPUTS_BYTES);
    if (!is_native)
        return group_forwarded(item, out);
    return is_vanished(item) ? group_vanished(item, out) : group_native(item, out);
}

void tb_group_done(struct tb_group *group)
{
    if (group != NULL)
        tb_buf_done(&group->inputs);
}
