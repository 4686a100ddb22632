/* crowd.h - runs crowd, and reads what its crash told of the other threads. */
#ifndef TB_TEST_CAPTURE_CROWD_H
#define TB_TEST_CAPTURE_CROWD_H

#include "rig.h"

#include <dirent.h>

#include "base/pack.h"
#include "spool/frame.h"
#include "spool/slot.h"

enum {
    N_THREADS = 50,
    FUNCTION_BYTES = 256,
    MARK = 0x7ea5,
    NOBODY = 65534,
    STREAM_BYTES = 2 << 20,
    REG_OF_IP = 16,
    REG_OF_SP = 15
};

/* Slot and file of the last run, read by the page of the format and not by the spool's reader. */
struct found {
    struct rig rig;
    uint8_t stream[STREAM_BYTES]; /* chunks of the slot, then those of the file */
    size_t len;
    uint8_t uuid[16];
    int has_file;
    size_t n_frames, file_payload;
    struct stat slot_st, file_st;
    struct tb_crash crash;
};

static inline int set_up(void **state)
{
    struct found *found = calloc(1, sizeof(*found));
    void *rig;
    if (!found || rig_setup(&rig) != 0)
        return -1;
    found->rig = *(struct rig *)rig;
    free(rig);
    found->rig.program = "crowd";
    /* Victims may be another user. */
    if (chmod(found->rig.folder, 0777) != 0)
        return -1;
    *state = found;
    return 0;
}

static inline int tear_down(void **state)
{
    struct found *found = *state;
    tb_crash_done(&found->crash);
    rig_forget(&found->rig);
    nftw(found->rig.folder, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(found);
    return 0;
}

static inline size_t read_whole(const char *path, uint8_t *out, size_t cap, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, st), 0);
    ssize_t n = read(fd, out, cap);
    close(fd);
    assert_true(n >= 0);
    return (size_t)n;
}

static inline void add(struct found *found, const uint8_t *data, size_t len)
{
    assert_true(found->len + len <= sizeof(found->stream));
    memcpy(found->stream + found->len, data, len);
    found->len += len;
}

/* One that a fork left: the crash is in the other. */
static inline int is_spare(const char *path)
{
    uint8_t word[4] = {0};
    int fd = open(path, O_RDONLY);
    ssize_t n = pread(fd, word, sizeof(word), TB_SLOT_STATE_AT);
    close(fd);
    return n == 4 && tb_get32(word) == TB_SLOT_DONE;
}

/* The path of the only file that ends so, but for spare slots: 1, or 0 when there is none. */
static inline int find_file(const struct found *found, const char *suffix, char out[256])
{
    char folder[128];
    int n = 0;
    const struct dirent *entry;
    snprintf(folder, sizeof(folder), "%s/in", found->rig.spool);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, suffix) != 0)
            continue;
        char path[256];
        snprintf(path, sizeof(path), "%s/%.100s", folder, entry->d_name);
        if (strcmp(suffix, ".slot") == 0 && is_spare(path))
            continue;
        memcpy(out, path, sizeof(path));
        n++;
    }
    closedir(dir);
    assert_true(n <= 1);
    return n;
}

static inline void read_slot(struct found *found)
{
    static uint8_t slot[TB_SLOT_BYTES];
    char path[256];
    struct tb_file_header header;
    struct tb_frame frame = {.type = 0};
    assert_int_equal(find_file(found, ".slot", path), 1);
    assert_int_equal(read_whole(path, slot, sizeof(slot), &found->slot_st), TB_SLOT_BYTES);
    assert_int_equal(tb_file_header_unpack(slot, &header), 0);
    for (uint32_t at = TB_SLOT_CRASH_AT; at < TB_SLOT_BYTES; at += TB_SLOT_PAGE) {
        const uint8_t *payload = slot + at + TB_FRAME_HEADER_BYTES;
        assert_int_equal(tb_frame_unpack(slot + at, header.salt, at, &frame), 0);
        assert_int_equal(tb_frame_check(&frame, header.salt, payload), 0);
        memcpy(found->uuid, frame.uuid, sizeof(found->uuid));
        add(found, payload, frame.len);
        if (frame.type == TB_FRAME_FULL || frame.type == TB_FRAME_LAST)
            break;
    }
    assert_true(frame.type == TB_FRAME_FULL || frame.type == TB_FRAME_LAST);
}

static inline void read_more(struct found *found)
{
    static uint8_t more[STREAM_BYTES];
    char path[256];
    struct tb_file_header header;
    struct tb_frame frame;
    found->has_file = find_file(found, ".more", path);
    if (!found->has_file)
        return;
    size_t len = read_whole(path, more, sizeof(more), &found->file_st);
    assert_true(len > TB_FILE_HEADER_BYTES && len <= 1 << 20);
    assert_int_equal(tb_file_header_unpack(more, &header), 0);
    assert_int_equal(header.kind, TB_FILE_MORE);
    assert_int_equal(header.class_, TB_CLASS_CRASH);
    for (size_t at = TB_FILE_HEADER_BYTES; at < len; at += tb_frame_room(frame.len)) {
        const uint8_t *payload = more + at + TB_FRAME_HEADER_BYTES;
        assert_int_equal(tb_frame_unpack(more + at, header.salt, at, &frame), 0);
        assert_int_equal(tb_frame_check(&frame, header.salt, payload), 0);
        assert_int_equal(frame.type, TB_FRAME_FULL);
        assert_int_equal(frame.kind, TB_KIND_THREADS);
        assert_int_equal(frame.seq, found->n_frames++);
        assert_memory_equal(frame.uuid, found->uuid, sizeof(frame.uuid));
        add(found, payload, frame.len);
        found->file_payload += frame.len;
    }
    assert_true(found->file_payload <= TB_CRASH_MORE_MAX);
}

static inline void read_all(struct found *found)
{
    found->len = 0;
    found->n_frames = 0;
    found->file_payload = 0;
    read_slot(found);
    read_more(found);
    tb_crash_done(&found->crash);
    assert_int_equal(tb_crash_unpack(found->stream, found->len, &found->crash), 0);
    assert_false(found->crash.is_cut);
    assert_int_equal(found->crash.n_nested, 0);
    assert_int_equal(found->crash.fixed.signo, SIGSEGV);
}

/* Runs it with a spool of its own, which others may write to. */
static inline void die_as(struct found *found, const char *way)
{
    char in[128];
    print_message("%s\n", way);
    snprintf(found->rig.spool, sizeof(found->rig.spool), "%.50s/%.25s", found->rig.folder, way);
    snprintf(in, sizeof(in), "%s/in", found->rig.spool);
    assert_int_equal(mkdir(found->rig.spool, 0755), 0);
    assert_int_equal(mkdir(in, 0700), 0);
    assert_int_equal(chmod(in, 01777), 0);
    rig_run(&found->rig, way);
}

static inline void assert_signal(const struct found *found)
{
    assert_true(WIFSIGNALED(found->rig.status));
    assert_int_equal(WTERMSIG(found->rig.status), SIGSEGV);
}

static inline void crash_as(struct found *found, const char *way)
{
    die_as(found, way);
    assert_signal(found);
    read_all(found);
}

/* How often the number of the thread, as wait_here keeps it, stands on its stack. */
static inline size_t count_marks(const struct tb_crash_thread *thread, uint32_t number)
{
    size_t n = 0;
    for (size_t at = 0; at + 8 <= thread->stack_len; at += 8)
        n += tb_get64(thread->stack + at) == ((uint64_t)MARK << 32 | number);
    return n;
}

/* All that wait are there, each once: where it waits, its name, its stack. */
static inline void assert_waiting(const struct found *found, uint32_t n_want)
{
    uint64_t start = rig_said(&found->rig, "wait_here", 16);
    uint32_t n = 0;
    uint8_t seen[TB_CRASH_THREADS_MAX] = {0};
    for (size_t i = 0; i < found->crash.n_threads; i++) {
        const struct tb_crash_thread *thread = &found->crash.threads[i];
        unsigned number;
        if (sscanf(thread->name, "crowd-%u", &number) != 1)
            continue;
        assert_true(number < TB_CRASH_THREADS_MAX && !seen[number]);
        seen[number] = 1;
        n++;
        assert_true(thread->regs[REG_OF_IP] > start);
        assert_true(thread->regs[REG_OF_IP] < start + FUNCTION_BYTES);
        assert_true(thread->stack_address <= thread->regs[REG_OF_SP] - 120);
        assert_true(thread->stack_address + thread->stack_len > thread->regs[REG_OF_SP]);
        assert_true(count_marks(thread, number) >= 32);
        assert_int_not_equal(thread->tid, found->crash.fixed.tid);
    }
    assert_int_equal(n, n_want);
}

static inline void assert_all(const struct found *found, uint32_t n)
{
    const struct tb_crash_threads *about = &found->crash.about_threads;
    assert_int_equal(about->err, 0);
    assert_int_equal(about->n_there, n);
    assert_int_equal(about->n_captured, n);
    assert_int_equal(found->crash.n_threads, n);
    assert_true(about->stopped_ns > 0);
    assert_waiting(found, N_THREADS);
}

static inline void assert_none(const struct found *found, int err)
{
    assert_int_equal(found->crash.about_threads.n_there, N_THREADS);
    assert_int_equal(found->crash.about_threads.n_captured, 0);
    assert_int_equal(found->crash.about_threads.err, err);
    assert_int_equal(found->crash.n_threads, 0);
    assert_false(found->has_file);
}

#endif
