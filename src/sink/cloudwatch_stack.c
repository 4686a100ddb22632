/* cloudwatch_stack.c - a stack as text, as debuggers write it:
 *
 *   SIGSEGV: invalid address 0x10
 *   #0 0x000055d0c0de0000 feed_deserialize at src/feed.c:212
 *   Caused by: ValueError: ...
 *   #0 parse at app.py:12
 */
#include "sink/cloudwatch.h"

#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"

enum { MESSAGE_BYTES = 8 << 10 };

static void add_frame(size_t number, const struct tb_sink_frame *frame, struct tb_buf *out)
{
    tb_buf_addf(out, "#%zu ", number);
    if (frame->address[0] != '\0') {
        tb_buf_adds(out, frame->address);
        tb_buf_adds(out, " ");
    }
    tb_buf_adds(out, frame->function[0] != '\0' ? frame->function : "<unknown>");
    if (frame->file[0] != '\0') {
        tb_buf_adds(out, " at ");
        tb_buf_adds(out, frame->file);
        if (frame->line > 0)
            tb_buf_addf(out, ":%" PRId64, frame->line);
    }
    tb_buf_adds(out, "\n");
}

static void add_exception(const struct tb_sink_exception *exception, struct tb_buf *out)
{
    const char *message = exception->message;
    size_t type_len = strlen(exception->type);
    /* Ours begin with the signal as it is. */
    bool is_said = strncmp(message, exception->type, type_len) == 0 && message[type_len] == ':';
    if (!is_said)
        tb_buf_adds(out, exception->type);
    if (message[0] != '\0') {
        tb_buf_adds(out, is_said || type_len == 0 ? "" : ": ");
        tb_buf_add(out, message, tb_utf8_cut(message, strlen(message), MESSAGE_BYTES));
    }
    tb_buf_adds(out, "\n");
    for (size_t i = 0; i < exception->n_frames; i++)
        add_frame(i, &exception->frames[i], out);
    if (exception->n_omitted > 0)
        tb_buf_addf(out, "(%zu more)\n", exception->n_omitted);
}

void tb_cloudwatch_stack(const struct tb_sink_facts *facts, struct tb_buf *out)
{
    for (size_t i = 0; i < facts->n_exceptions; i++) {
        tb_buf_adds(out, i > 0 ? "Caused by: " : "");
        add_exception(&facts->exceptions[i], out);
    }
    if (facts->n_exceptions_omitted > 0)
        tb_buf_addf(out, "(%zu more causes)\n", facts->n_exceptions_omitted);
}
