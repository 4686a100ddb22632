/* group_inputs.c - see group_inputs.h. */
#include "agent/native/group_inputs.h"

#include <string.h>

#include "base/json.h"

enum { WHY_BYTES = 4 << 10 };

static int is_there(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* "the same service feedd, SIGSEGV" */
static void say_class(const struct tb_group_inputs *in, struct tb_buf *why)
{
    tb_buf_adds(why, "the same ");
    if (is_there(in->service))
        tb_buf_addf(why, "service %s, ", in->service);
    tb_buf_addf(why, "class %s", is_there(in->class_) ? in->class_ : "(none)");
}

static void say_cycle(const struct tb_group_functions *f, struct tb_buf *why)
{
    if (f->n_cycle == 0)
        return;
    tb_buf_adds(why, "; a recursion without end of ");
    for (size_t i = 0; i < f->n_cycle; i++)
        tb_buf_addf(why, "%s%s", i > 0 ? ", " : "", f->cycle[i]);
    tb_buf_adds(why, f->n_cycle > 1 ? ", which count as one, wherever it ended" : "");
    if (f->n > 0)
        tb_buf_addf(why, "; begun by %s", f->names[0]);
}

static int has_unnamed(const struct tb_group_functions *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->names[i][tb_group_module_len(f->names[i])] != '\0')
            return 1;
    return 0;
}

static void say_functions(const struct tb_group_functions *f, struct tb_buf *why)
{
    if (f->n_cycle > 0) {
        say_cycle(f, why);
        return;
    }
    if (f->n == 0) {
        tb_buf_adds(why, "; no function of the program is on the stack");
        return;
    }
    tb_buf_addf(why, "; in %s", f->names[0]);
    for (size_t i = 1; i < f->n; i++)
        tb_buf_addf(why, ", called by %s", f->names[i]);
    if (f->through[0] != '\0')
        tb_buf_addf(why, "; it happened in %s, on behalf of %s", f->through, f->names[0]);
    if (f->is_smashed)
        tb_buf_adds(why, "; its callers are not known for sure, the stack was overwritten");
    if (has_unnamed(f))
        tb_buf_adds(why, "; a place without a name, so another build makes another item");
}

static void say_end(const struct tb_group_inputs *in, struct tb_buf *why)
{
    say_class(in, why);
    if (is_there(in->executable))
        tb_buf_addf(why, " and executable %s", in->executable);
    if (in->is_oom)
        tb_buf_adds(why, "; the OOM killer had a victim meanwhile");
}

static void say(const struct tb_group_inputs *in, struct tb_buf *why)
{
    static const struct {
        const char *by, *words;
    } forwarded[] = {
        {"fingerprint", "the same fingerprint, which the client has sent"},
        {"trace", "the same class, file names and methods of the whole stack, without project "
                  "folder, dates, hashes and long numbers"},
        {"trace_chain", "the same classes, file names and methods of all exceptions in the chain, "
                        "without project folder, dates, hashes and long numbers"},
        {"message", "the same message, without times, numbers and hexadecimal digits"}};
    for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
        if (strcmp(in->by, forwarded[i].by) == 0)
            tb_buf_adds(why, forwarded[i].words);
    if (in->functions != NULL) {
        say_class(in, why);
        say_functions(in->functions, why);
    } else if (strcmp(in->by, "end") == 0) {
        say_end(in, why);
    }
    if (is_there(in->cause))
        tb_buf_addf(why, "; %s", in->cause);
    if (is_there(in->text))
        tb_buf_addf(why, "; %s%s", in->text_is, in->text);
}

static void write_list(struct tb_json *j, const char *key, const char (*names)[TB_GROUP_NAME_BYTES],
                       size_t n)
{
    tb_json_key(j, key);
    tb_json_array(j);
    for (size_t i = 0; i < n; i++)
        tb_json_str(j, names[i]);
    tb_json_end(j);
}

static void write_functions(struct tb_json *j, const struct tb_group_functions *f)
{
    if (f->n_cycle > 0)
        write_list(j, "recursion", (const char(*)[TB_GROUP_NAME_BYTES])f->cycle, f->n_cycle);
    write_list(j, "functions", (const char(*)[TB_GROUP_NAME_BYTES])f->names, f->n);
    tb_json_kopt(j, "inside", f->through);
}

int tb_group_inputs_write(const struct tb_group_inputs *in, struct tb_buf *out)
{
    char mem[TB_GROUP_INPUTS_BYTES];
    struct tb_json j;
    struct tb_buf why;
    tb_buf_init(&why, WHY_BYTES);
    say(in, &why);
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_json_kstr(&j, "by", in->by);
    tb_json_kopt(&j, "why", tb_buf_str(&why));
    tb_json_kopt(&j, "service", in->service);
    tb_json_kopt(&j, "class", in->class_);
    if (in->functions != NULL)
        write_functions(&j, in->functions);
    tb_json_kopt(&j, "cause", in->cause);
    tb_json_kopt(&j, "text", in->text);
    tb_json_kopt(&j, "executable", in->executable);
    tb_json_end(&j);
    (void)tb_json_finish(&j); /* what was cut is still valid, and for people only */
    tb_buf_done(&why);
    tb_buf_adds(out, mem);
    return out->err;
}
