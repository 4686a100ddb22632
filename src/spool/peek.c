/* peek.c - what is in a spool, and whether it can be looked at. One file is peek_file.c's, what is
 * in it peek_walk.c's. */
#include "spool/peek.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc.h"
#include "base/fd.h"
#include "base/pack.h"
#include "spool/peek_state.h"
#include "spool/quarantine.h"

enum {
    INFLIGHT_ENTRY_BYTES = 32,
    INFLIGHT_ENTRIES = 64,
    COUNTS_BYTES = 128,
    ACK_TRIES = 3, /* an entry may be looked at while it is written */
};

/* ---- opening ---- */

static void name_of_user(uid_t uid, char out[33])
{
    char buffer[4096];
    struct passwd entry;
    struct passwd *found = NULL;
    if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
        snprintf(out, 33, "%.32s", found->pw_name);
    else
        snprintf(out, 33, "#%lu", (unsigned long)uid);
}

/* One that may not be listed by this user: by whom, then. */
static void say_whose(const char *spool, const struct stat *in, char why[TB_SPOOL_WHY])
{
    char user[33];
    name_of_user(in->st_uid, user);
    const char *what = in->st_mode & S_IWOTH
                           ? "a drop box: every program may put reports into it, but"
                           : "a spool that";
    snprintf(why, TB_SPOOL_WHY,
             "spool %.240s: it is %s only root and user %s may look into; ask as one of them: "
             "sudo -u %s towbar spool ls, with the same --spool",
             spool, what, user, user);
}

static int refuse(const char *spool, int err, char why[TB_SPOOL_WHY])
{
    char text[128];
    char in[4096];
    struct stat st;
    int n = snprintf(in, sizeof(in), "%s/in", spool);
    if (err == -EACCES && n < (int)sizeof(in) && stat(in, &st) == 0)
        say_whose(spool, &st, why);
    else if (err == -ENOENT)
        snprintf(why, TB_SPOOL_WHY,
                 "spool %.240s: there is no folder in/ in it; name another one with --spool, or "
                 "start towbard or a program with libtowbar once, which makes it",
                 spool);
    else
        snprintf(why, TB_SPOOL_WHY,
                 "spool %.240s: %s; ask as the user that runs towbard (sudo -u USER towbar spool "
                 "ls), or name another spool with --spool",
                 spool, strerror_r(-err, text, sizeof(text)));
    return err;
}

static int open_in(const char *spool)
{
    int top = open(spool, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return -errno;
    int fd = openat(top, "in", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int err = fd < 0 ? -errno : fd;
    tb_fd_close(&top);
    return err;
}

static int open_agent(const char *spool)
{
    int top = open(spool, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return -errno;
    int fd = openat(top, "agent", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int err = fd < 0 ? -errno : fd;
    tb_fd_close(&top);
    return err;
}

static bool is_locked(int agent_fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    int fd = openat(agent_fd, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool locked = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    tb_fd_close(&fd);
    return locked;
}

static ssize_t read_small(int dirfd, const char *name, void *out, size_t cap)
{
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -errno : tb_fd_pread_all(fd, out, cap, 0);
    tb_fd_close(&fd);
    return n;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* inflight and counts: either may be missing. */
static void check_small_files(struct tb_peek *peek)
{
    uint8_t bytes[INFLIGHT_ENTRIES * INFLIGHT_ENTRY_BYTES] = {0};
    ssize_t n = read_small(peek->agent_fd, "inflight", bytes, sizeof(bytes));
    for (ssize_t at = 0; at + INFLIGHT_ENTRY_BYTES <= n; at += INFLIGHT_ENTRY_BYTES) {
        if (!all_zero(bytes + at, INFLIGHT_ENTRY_BYTES) &&
            tb_get32(bytes + at) != tb_crc32c(0, bytes + at + 4, INFLIGHT_ENTRY_BYTES - 4))
            peek->agent.n_inflight_bad++;
    }
    n = read_small(peek->agent_fd, "counts", bytes, COUNTS_BYTES);
    peek->agent.counts_are_bad =
        n > 0 &&
        (n < COUNTS_BYTES || (!all_zero(bytes, COUNTS_BYTES) &&
                              tb_get32(bytes) != tb_crc32c(0, bytes + 4, COUNTS_BYTES - 4)));
}

static int read_agent(struct tb_peek *peek, const char *spool)
{
    peek->agent_fd = open_agent(spool);
    if (peek->agent_fd < 0) {
        peek->agent.err = peek->agent_fd;
        return 0;
    }
    peek->agent.is_running = is_locked(peek->agent_fd);
    int err = tb_acklog_read(&peek->acks, peek->agent_fd);
    for (int i = 1; err == 0 && peek->acks.n_damaged > 0 && i < ACK_TRIES; i++) {
        tb_acklog_close(&peek->acks);
        err = tb_acklog_read(&peek->acks, peek->agent_fd);
    }
    if (err == -ENOMEM)
        return err;
    peek->agent.err = err;
    peek->agent.is_known = err == 0;
    peek->agent.n_acks = peek->acks.n_loaded;
    peek->agent.n_bad_acks = peek->acks.n_damaged;
    check_small_files(peek);
    peek->quarantine_fd =
        openat(peek->agent_fd, "quarantine", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return 0;
}

/* ---- the files ---- */

static struct tb_peek_file *add_file(struct tb_peek *peek, const char *name)
{
    if (peek->n_files == peek->cap_files) {
        size_t cap = peek->cap_files ? 2 * peek->cap_files : 64;
        struct tb_peek_file *grown = realloc(peek->files, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        peek->files = grown;
        peek->cap_files = cap;
    }
    struct tb_peek_file *file = &peek->files[peek->n_files];
    memset(file, 0, sizeof(*file));
    file->name = strdup(name);
    if (!file->name)
        return NULL;
    peek->n_files++;
    return file;
}

static int list_in(struct tb_peek *peek)
{
    int fd = openat(peek->in_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int err = -errno;
        tb_fd_close(&fd);
        return err;
    }
    int err = 0;
    const struct dirent *entry;
    while (err == 0 && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        peek->is_cut = peek->n_files == TB_PEEK_FILES_MAX;
        if (peek->is_cut)
            break;
        if (!add_file(peek, entry->d_name))
            err = -ENOMEM;
    }
    closedir(dir);
    return err;
}

static int list_quarantine(struct tb_peek *peek)
{
    struct tb_quarantined *things = NULL;
    size_t n = 0;
    if (peek->quarantine_fd < 0)
        return 0;
    int err = tb_quarantine_list(peek->agent_fd, &things, &n);
    for (size_t i = 0; err == 0 && i < n && peek->n_files < (size_t)2 * TB_PEEK_FILES_MAX; i++) {
        struct tb_peek_file *file = add_file(peek, things[i].name);
        if (file)
            file->in_quarantine = true;
        else
            err = -ENOMEM;
    }
    free(things);
    return err == -ENOMEM ? err : 0;
}

/* ---- the order ---- */

static int compare(const void *left, const void *right)
{
    const struct tb_peek_file *a = left;
    const struct tb_peek_file *b = right;
    if (a->has_header != b->has_header)
        return a->has_header ? -1 : 1;
    if (a->has_header && a->class_ != b->class_)
        return a->class_ < b->class_ ? -1 : 1;
    if (a->has_header && a->header.created_wall_ns != b->header.created_wall_ns)
        return a->header.created_wall_ns < b->header.created_wall_ns ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int compare_ids(const void *left, const void *right)
{
    const struct tb_peek_file *a = *(struct tb_peek_file *const *)left;
    const struct tb_peek_file *b = *(struct tb_peek_file *const *)right;
    uint64_t a_id = tb_get64(a->header.id);
    uint64_t b_id = tb_get64(b->header.id);
    if (a_id != b_id)
        return a_id < b_id ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* A second file with the id of one that is there is left alone by the agent. */
static int mark_copies(struct tb_peek_file *files, size_t n)
{
    struct tb_peek_file **with_id = calloc(n + 1, sizeof(struct tb_peek_file *));
    size_t n_with_id = 0;
    if (!with_id)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (files[i].has_header && !files[i].is_more)
            with_id[n_with_id++] = &files[i];
    }
    qsort(with_id, n_with_id, sizeof(*with_id), compare_ids);
    for (size_t i = 1; i < n_with_id; i++) {
        if (tb_get64(with_id[i]->header.id) != tb_get64(with_id[i - 1]->header.id))
            continue;
        tb_peek_say(with_id[i], TB_PEEK_REFUSED, "a copy of another file, which is read instead");
        with_id[i]->was_mended = false; /* nothing of it counts */
    }
    free(with_id);
    return 0;
}

/* Reads all headers, drops what is gone meanwhile, and sorts what is of in/. */
static int read_headers(struct tb_peek *peek)
{
    size_t kept = 0;
    size_t n_in = 0;
    int err = 0;
    for (size_t i = 0; i < peek->n_files && err == 0; i++) {
        struct tb_source *source = NULL;
        struct tb_peek_file *file = &peek->files[i];
        int got = tb_peek_enter(peek, file, &source);
        if (got == 0)
            tb_source_leave(&peek->visit);
        tb_source_free(source);
        if (got == -ENOENT) {
            free(file->name);
            file->name = NULL;
            continue;
        }
        err = got == -ENOMEM ? got : 0;
        n_in += !file->in_quarantine;
        struct tb_peek_file moved = *file;
        file->name = NULL;
        peek->files[kept++] = moved;
    }
    if (err < 0)
        return err;
    peek->n_files = kept;
    if (n_in > 1)
        qsort(peek->files, n_in, sizeof(*peek->files), compare);
    return mark_copies(peek->files, n_in);
}

static int read_all(struct tb_peek *peek, const char *spool, char why[TB_SPOOL_WHY])
{
    peek->in_fd = open_in(spool);
    if (peek->in_fd < 0)
        return refuse(spool, peek->in_fd, why);
    peek->visit.scan.window = malloc(TB_SCAN_WINDOW);
    peek->visit.stream = malloc(TB_PAYLOAD_MAX_BYTES);
    int err = peek->visit.scan.window && peek->visit.stream ? 0 : -ENOMEM;
    if (err == 0)
        err = read_agent(peek, spool);
    if (err == 0)
        err = list_in(peek);
    if (err == 0)
        err = list_quarantine(peek);
    if (err == 0)
        err = read_headers(peek);
    return err < 0 ? refuse(spool, err, why) : 0;
}

int tb_peek_open(const char *spool, struct tb_peek **out, char why[TB_SPOOL_WHY])
{
    struct tb_peek *peek = calloc(1, sizeof(*peek));
    if (!peek)
        return refuse(spool, -ENOMEM, why);
    peek->in_fd = peek->agent_fd = peek->quarantine_fd = -1;
    peek->visit.scan.fd = peek->acks.fd = -1;
    int err = read_all(peek, spool, why);
    if (err < 0)
        tb_peek_close(peek);
    else
        *out = peek;
    return err;
}

void tb_peek_close(struct tb_peek *peek)
{
    if (!peek)
        return;
    tb_source_leave(&peek->visit);
    for (size_t i = 0; i < peek->n_files; i++)
        free(peek->files[i].name);
    free(peek->files);
    free(peek->visit.scan.window);
    free(peek->visit.stream);
    tb_acklog_close(&peek->acks);
    tb_fd_close(&peek->quarantine_fd);
    tb_fd_close(&peek->agent_fd);
    tb_fd_close(&peek->in_fd);
    free(peek);
}

const struct tb_peek_agent *tb_peek_agent(const struct tb_peek *peek)
{
    return &peek->agent;
}

struct tb_peek_file *tb_peek_files(struct tb_peek *peek, size_t *n)
{
    *n = peek->n_files;
    return peek->files;
}

bool tb_peek_is_cut(const struct tb_peek *peek)
{
    return peek->is_cut;
}

const char *tb_peek_why(const struct tb_peek *peek, const struct tb_peek_file *file, char *out,
                        size_t cap)
{
    char text[TB_QUARANTINE_WHY] = "";
    if (file->in_quarantine)
        (void)tb_quarantine_why(peek->agent_fd, file->name, text);
    snprintf(out, cap, "%s", text);
    return out;
}
