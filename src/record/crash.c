/* crash.c - see crash.h. The layout is section 7 of docs/spool-format.md.
 *
 * A record may come from a process that died while it wrote, or from a liar: every length is
 * checked, what is repeated counts once, and what is cut keeps the part that is there. */
#include "record/crash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/pack.h"
#include "record/crash_facts.h"

enum {
    FRAME_BYTES = 24,
    OUTER_HEAD_BYTES = 8,
    NOTE_HEAD_BYTES = 16,
    END_BYTES = 16,
    TRUST_LAST = 3
};

/* Offsets of the fixed chunk. */
enum { AT_ADDRESS = 32, AT_REGS = 88, AT_NAME = AT_REGS + TB_CRASH_N_REGS * 8 };
/* Of the chunk of a thread. */
enum { AT_THREAD_NAME = 8, AT_THREAD_REGS = 24, AT_THREAD_STACK = TB_CRASH_THREAD_BYTES - 8 };

void tb_crash_fixed_pack(const struct tb_crash_fixed *fixed, uint8_t out[TB_CRASH_FIXED_BYTES])
{
    const uint32_t words[] = {
        (uint32_t)fixed->signo, (uint32_t)fixed->code, (uint32_t)fixed->err, fixed->tid, fixed->pid,
        fixed->sender_pid,      fixed->sender_uid,     fixed->flags};
    const uint64_t longs[] = {
        fixed->fault_address, fixed->wall_ns,  fixed->mono_ns, fixed->generation,
        fixed->trap,          fixed->trap_err, fixed->cr2};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        tb_put32(out + 4 * i, words[i]);
    for (size_t i = 0; i < sizeof(longs) / sizeof(longs[0]); i++)
        tb_put64(out + AT_ADDRESS + 8 * i, longs[i]);
    for (size_t i = 0; i < TB_CRASH_N_REGS; i++)
        tb_put64(out + AT_REGS + 8 * i, fixed->regs[i]);
    memcpy(out + AT_NAME, fixed->thread_name, sizeof(fixed->thread_name));
}

void tb_crash_thread_pack(const struct tb_crash_thread *thread, uint8_t out[TB_CRASH_THREAD_BYTES])
{
    tb_put32(out, thread->tid);
    tb_put32(out + 4, thread->flags);
    memcpy(out + AT_THREAD_NAME, thread->name, sizeof(thread->name));
    for (size_t i = 0; i < TB_CRASH_N_REGS; i++)
        tb_put64(out + AT_THREAD_REGS + 8 * i, thread->regs[i]);
    tb_put64(out + AT_THREAD_STACK, thread->stack_address);
}

void tb_crash_threads_pack(const struct tb_crash_threads *threads,
                           uint8_t out[TB_CRASH_THREADS_BYTES])
{
    tb_put32(out, threads->n_there);
    tb_put32(out + 4, threads->n_captured);
    tb_put32(out + 8, (uint32_t)threads->err);
    tb_put32(out + 12, 0);
    tb_put64(out + 16, threads->stopped_ns);
}

static void fixed_unpack(const uint8_t *in, struct tb_crash_fixed *out)
{
    out->signo = (int32_t)tb_get32(in);
    out->code = (int32_t)tb_get32(in + 4);
    out->err = (int32_t)tb_get32(in + 8);
    out->tid = tb_get32(in + 12);
    out->pid = tb_get32(in + 16);
    out->sender_pid = tb_get32(in + 20);
    out->sender_uid = tb_get32(in + 24);
    out->flags = tb_get32(in + 28);
    out->fault_address = tb_get64(in + AT_ADDRESS);
    out->wall_ns = tb_get64(in + AT_ADDRESS + 8);
    out->mono_ns = tb_get64(in + AT_ADDRESS + 16);
    out->generation = tb_get64(in + AT_ADDRESS + 24);
    out->trap = tb_get64(in + AT_ADDRESS + 32);
    out->trap_err = tb_get64(in + AT_ADDRESS + 40);
    out->cr2 = tb_get64(in + AT_ADDRESS + 48);
    for (size_t i = 0; i < TB_CRASH_N_REGS; i++)
        out->regs[i] = tb_get64(in + AT_REGS + 8 * i);
    memcpy(out->thread_name, in + AT_NAME, sizeof(out->thread_name));
    out->thread_name[sizeof(out->thread_name) - 1] = '\0';
}

/* ---- one reader for each tag; chunk->len is what is there, perhaps less than was meant ---- */

static void read_trace(const struct tb_chunk *chunk, struct tb_crash *out)
{
    struct tb_trace_image image;
    if (out->has_trace || chunk->len < TB_TRACE_IMAGE_BYTES ||
        tb_trace_image_unpack(chunk->data, &out->context, &image) < 0)
        return;
    out->has_trace = 1;
    out->trace_started_ns = image.started_ns;
    tb_trace_carried_unpack((const char *)chunk->data + TB_TRACE_IMAGE_BYTES,
                            chunk->len - TB_TRACE_IMAGE_BYTES, &out->context);
}

static void read_abort(const struct tb_chunk *chunk, struct tb_crash *out)
{
    if (out->abort_text || chunk->len == 0)
        return;
    out->abort_text = (const char *)chunk->data;
    out->abort_len = strnlen(out->abort_text, chunk->len);
}

/* Returns how many there are, at most max. */
static size_t unpack_frames(const uint8_t *data, size_t len, struct tb_crash_frame *out, size_t max)
{
    size_t n = 0;
    for (; n < max && n < len / FRAME_BYTES; n++) {
        const uint8_t *at = data + n * FRAME_BYTES;
        uint64_t trust = tb_get64(at + 16);
        out[n] = (struct tb_crash_frame){.ip = tb_get64(at),
                                         .sp = tb_get64(at + 8),
                                         .trust = trust < TRUST_LAST ? trust : TRUST_LAST};
    }
    return n;
}

/* Room for them was made by count_parts. */
static void read_frames(const struct tb_chunk *chunk, struct tb_crash *out)
{
    if (out->n_frames == 0)
        out->n_frames = unpack_frames(chunk->data, chunk->len, out->frames, TB_CRASH_FRAMES_MAX);
}

static void read_outer(const struct tb_chunk *chunk, struct tb_crash *out)
{
    if (out->n_outer > 0 || chunk->len < OUTER_HEAD_BYTES)
        return;
    uint64_t depth = tb_get64(chunk->data);
    out->depth = depth < UINT32_MAX ? depth : UINT32_MAX;
    out->n_outer = unpack_frames(chunk->data + OUTER_HEAD_BYTES, chunk->len - OUTER_HEAD_BYTES,
                                 out->outer, TB_CRASH_OUTER_MAX);
}

/* Keeps whole pairs of strings only. */
static void read_scope(const struct tb_chunk *chunk, struct tb_crash *out)
{
    if (out->scope)
        return;
    size_t n_strings = 0;
    for (size_t i = 0; i < chunk->len; i++) {
        if (chunk->data[i] == '\0' && ++n_strings % 2 == 0)
            out->scope_len = i + 1;
    }
    if (out->scope_len > 0)
        out->scope = (const char *)chunk->data;
}

static void read_note(const struct tb_chunk *chunk, struct tb_crash *out)
{
    if (chunk->len < NOTE_HEAD_BYTES || out->n_notes == TB_CRASH_NOTES_MAX)
        return;
    const char *text = (const char *)chunk->data + NOTE_HEAD_BYTES;
    out->notes[out->n_notes++] =
        (struct tb_crash_note){.wall_ns = tb_get64(chunk->data),
                               .level = tb_get32(chunk->data + 8),
                               .tid = tb_get32(chunk->data + 12),
                               .text = text,
                               .len = strnlen(text, chunk->len - NOTE_HEAD_BYTES)};
}

static void read_code(const struct tb_chunk *chunk, struct tb_crash *out)
{
    if (out->code || chunk->len < 8)
        return;
    out->code_address = tb_get64(chunk->data);
    out->code = chunk->data + 8;
    out->code_len = chunk->len - 8;
}

static void read_stack(const struct tb_chunk *chunk, struct tb_crash *out)
{
    if (out->stack || chunk->len < 8)
        return;
    out->stack_address = tb_get64(chunk->data);
    out->stack = chunk->data + 8;
    out->stack_len = chunk->len - 8;
}

static void read_end(const struct tb_chunk *chunk, struct tb_crash *out)
{
    if (!out->is_cut || chunk->len < END_BYTES)
        return;
    out->handler_ns = tb_get64(chunk->data);
    out->n_nested = tb_get32(chunk->data + 8);
    out->end_flags = tb_get32(chunk->data + 12);
    out->is_cut = 0;
}

/* What is cut keeps its registers. Room was made by count_parts. */
static void read_thread(const struct tb_chunk *chunk, struct tb_crash *out)
{
    if (chunk->len < TB_CRASH_THREAD_BYTES || out->n_threads == TB_CRASH_THREADS_MAX)
        return;
    struct tb_crash_thread *thread = &out->threads[out->n_threads++];
    thread->tid = tb_get32(chunk->data);
    thread->flags = tb_get32(chunk->data + 4);
    memcpy(thread->name, chunk->data + AT_THREAD_NAME, sizeof(thread->name));
    thread->name[sizeof(thread->name) - 1] = '\0';
    for (size_t i = 0; i < TB_CRASH_N_REGS; i++)
        thread->regs[i] = tb_get64(chunk->data + AT_THREAD_REGS + 8 * i);
    thread->stack_address = tb_get64(chunk->data + AT_THREAD_STACK);
    thread->stack = chunk->data + TB_CRASH_THREAD_BYTES;
    thread->stack_len = chunk->len - TB_CRASH_THREAD_BYTES;
}

static void read_threads(const struct tb_chunk *chunk, struct tb_crash *out)
{
    if (out->about_threads.n_there > 0 || chunk->len < TB_CRASH_THREADS_BYTES)
        return;
    out->about_threads.n_there = tb_get32(chunk->data);
    out->about_threads.n_captured = tb_get32(chunk->data + 4);
    out->about_threads.err = (int32_t)tb_get32(chunk->data + 8);
    out->about_threads.stopped_ns = tb_get64(chunk->data + 16);
}

static void (*const readers[])(const struct tb_chunk *chunk, struct tb_crash *out) = {
    [TB_CRASH_TRACE] = read_trace,
    [TB_CRASH_ABORT] = read_abort,
    [TB_CRASH_FRAMES] = read_frames,
    [TB_CRASH_SCOPE] = read_scope,
    [TB_CRASH_NOTE] = read_note,
    [TB_CRASH_CODE] = read_code,
    [TB_CRASH_STACK] = read_stack,
    [TB_CRASH_END] = read_end,
    [TB_CRASH_THREAD] = read_thread,
    [TB_CRASH_THREADS] = read_threads,
    [TB_CRASH_OUTER] = read_outer,
    [TB_CRASH_EXCEPTION] = tb_crash_read_exception,
    [TB_CRASH_UNLOADED] = tb_crash_read_unloaded,
    [TB_CRASH_MAPPING] = tb_crash_read_mapping,
};

/* ---- the record ---- */

struct parts {
    size_t n_frames, n_notes, n_threads;
    const uint8_t *fixed;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static struct parts count_parts(const uint8_t *data, size_t len)
{
    struct parts parts = {0};
    struct tb_chunk chunk;
    size_t at = 0;
    int err;
    do {
        err = tb_chunk_next(data, len, &at, &chunk);
        if (err == -ENODATA)
            break;
        if (chunk.tag == TB_CRASH_FIXED && chunk.len >= TB_CRASH_FIXED_BYTES && !parts.fixed)
            parts.fixed = chunk.data;
        if (chunk.tag == TB_CRASH_FRAMES && parts.n_frames == 0)
            parts.n_frames = least(chunk.len / FRAME_BYTES, TB_CRASH_FRAMES_MAX);
        if (chunk.tag == TB_CRASH_NOTE && chunk.len >= NOTE_HEAD_BYTES)
            parts.n_notes = least(parts.n_notes + 1, TB_CRASH_NOTES_MAX);
        if (chunk.tag == TB_CRASH_THREAD && chunk.len >= TB_CRASH_THREAD_BYTES)
            parts.n_threads = least(parts.n_threads + 1, TB_CRASH_THREADS_MAX);
    } while (err == 0);
    return parts;
}

/* The handler may have written the newest first, so that a cut loses the oldest. */
static int by_time(const void *a, const void *b)
{
    const struct tb_crash_note *left = a;
    const struct tb_crash_note *right = b;
    if (left->wall_ns != right->wall_ns)
        return left->wall_ns < right->wall_ns ? -1 : 1;
    return left->text < right->text ? -1 : left->text > right->text;
}

static void read_chunks(const uint8_t *data, size_t len, struct tb_crash *out)
{
    struct tb_chunk chunk;
    size_t at = 0;
    int err;
    do {
        err = tb_chunk_next(data, len, &at, &chunk);
        if (err != -ENODATA && chunk.tag < sizeof(readers) / sizeof(readers[0]) &&
            readers[chunk.tag])
            readers[chunk.tag](&chunk, out);
    } while (err == 0);
    if (err == -EBADMSG)
        out->is_cut = 1;
}

int tb_crash_unpack(const uint8_t *data, size_t len, struct tb_crash *out)
{
    struct parts parts = count_parts(data, len);
    if (!parts.fixed)
        return -EBADMSG;
    struct tb_crash_frame *frames = calloc(parts.n_frames + 1, sizeof(*frames));
    struct tb_crash_note *notes = calloc(parts.n_notes + 1, sizeof(*notes));
    struct tb_crash_thread *threads = calloc(parts.n_threads + 1, sizeof(*threads));
    if (!frames || !notes || !threads) {
        free(frames);
        free(notes);
        free(threads);
        return -ENOMEM;
    }
    *out = (struct tb_crash){.frames = frames, .notes = notes, .threads = threads, .is_cut = 1};
    fixed_unpack(parts.fixed, &out->fixed);
    read_chunks(data, len, out);
    qsort(out->notes, out->n_notes, sizeof(*out->notes), by_time);
    return 0;
}

void tb_crash_done(struct tb_crash *crash)
{
    if (!crash)
        return;
    free(crash->frames);
    free(crash->notes);
    free(crash->threads);
    *crash = (struct tb_crash){0};
}
