/* otlp_stack.c - see otlp.h: a stack as one text, as gdb writes it.
 *
 *   SIGSEGV: read of address 0x10
 *   #0  0x000055d0c0de0000 in feed_deserialize () at src/feed.c:212
 *   #1  0x00007f2a11c29d90 in ?? () from libc.so.6+0x29d90
 *   (7 more frames)
 *   Caused by: ...
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sink/otlp.h"

enum { HEAD_BYTES = 1024, NUMBER_BYTES = 48 };

static void add_head(struct tb_otlp_text *out, const struct tb_sink_exception *exception)
{
    char message[HEAD_BYTES + 1];
    const char *type = exception->type[0] != '\0' ? exception->type : "error";
    size_t len = strlen(exception->message);
    /* The whole message is an attribute of its own. */
    if (len > HEAD_BYTES) {
        len = HEAD_BYTES;
        while (len > 0 && ((unsigned char)exception->message[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(message, exception->message, len);
    message[len] = '\0';
    /* Some senders have the type in the message. */
    size_t type_len = strlen(type);
    bool has_type = strncmp(message, type, type_len) == 0 && message[type_len] == ':';
    if (!has_type)
        tb_otlp_text_add(out, type);
    if (len > 0) {
        tb_otlp_text_add(out, has_type ? "" : ": ");
        tb_otlp_text_add(out, message);
    }
    tb_otlp_text_add(out, "\n");
}

static void add_place(struct tb_otlp_text *out, const struct tb_sink_frame *frame)
{
    char number[NUMBER_BYTES];
    if (frame->line > 0) {
        (void)snprintf(number, sizeof(number), ":%" PRId64, frame->line);
        tb_otlp_text_add(out, " at ");
        tb_otlp_text_add(out, frame->file);
        tb_otlp_text_add(out, number);
        return;
    }
    const char *from = frame->module[0] != '\0' ? frame->module : frame->file;
    if (from[0] == '\0')
        return;
    tb_otlp_text_add(out, " from ");
    tb_otlp_text_add(out, from);
    if (frame->module_offset[0] != '\0') {
        tb_otlp_text_add(out, "+");
        tb_otlp_text_add(out, frame->module_offset);
    }
}

static void add_frame(struct tb_otlp_text *out, size_t i, const struct tb_sink_frame *frame)
{
    char number[NUMBER_BYTES];
    bool is_known = frame->function[0] != '\0' && strcmp(frame->function, "<unknown>") != 0;
    (void)snprintf(number, sizeof(number), "#%-2zu ", i);
    tb_otlp_text_add(out, number);
    if (frame->address[0] != '\0') {
        tb_otlp_text_add(out, frame->address);
        tb_otlp_text_add(out, " in ");
    }
    tb_otlp_text_add(out, is_known ? frame->function : "??");
    if (!is_known || strchr(frame->function, '(') == NULL)
        tb_otlp_text_add(out, " ()");
    add_place(out, frame);
    tb_otlp_text_add(out, "\n");
}

static void add_omitted(struct tb_otlp_text *out, size_t n, const char *what)
{
    char text[NUMBER_BYTES];
    if (n == 0)
        return;
    (void)snprintf(text, sizeof(text), "(%zu more %s%s)\n", n, what, n == 1 ? "" : "s");
    tb_otlp_text_add(out, text);
}

void tb_otlp_stack(const struct tb_sink_facts *facts, struct tb_otlp_text *out)
{
    for (size_t e = 0; e < facts->n_exceptions && !out->is_cut; e++) {
        const struct tb_sink_exception *exception = &facts->exceptions[e];
        if (e > 0)
            tb_otlp_text_add(out, "Caused by: ");
        add_head(out, exception);
        for (size_t i = 0; i < exception->n_frames && !out->is_cut; i++)
            add_frame(out, i, &exception->frames[i]);
        add_omitted(out, exception->n_omitted, "frame");
    }
    add_omitted(out, facts->n_exceptions_omitted, "cause");
}
