/* quarantine.c - see quarantine.h.
 *
 * The reason is written first and the thing comes last, by a rename: a reason alone is rubbish that
 * the next trim takes away, as it does with temporary files (.NAME.new). */
#include "spool/quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/pack.h"
#include "spool/acklog.h"
#include "spool/dir.h"
#include "spool/frame.h"
#include "spool/quarantine_share.h"

#define FOLDER "quarantine"
#define WHY ".why"
/* A reason that is on its way out with its thing: no trim may be in between. */
#define LEAVING ".leaving"

struct listing {
    struct tb_quarantined *things;
    size_t n, cap;
    size_t n_files;
    uint64_t bytes;
};

static int open_folder(int agent_fd, bool make)
{
    bool made = make && mkdirat(agent_fd, FOLDER, 0700) == 0;
    if (make && !made && errno != EEXIST)
        return -errno;
    /* Else the folder may be lost with the power, and all in it. */
    int err = made ? tb_fd_sync(agent_fd) : 0;
    if (err < 0)
        return err;
    int fd = openat(agent_fd, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name);
    size_t end_len = strlen(end);
    return len > end_len && strcmp(name + len - end_len, end) == 0;
}

/* "NAME.why", or with a dot in front and more behind. */
static int beside(const char *name, const char *before, const char *behind,
                  char out[TB_QUARANTINE_NAME])
{
    int n = snprintf(out, TB_QUARANTINE_NAME, "%s%s%s", before, name, behind);
    return n < 0 || n >= TB_QUARANTINE_NAME ? -ENAMETOOLONG : 0;
}

/* A single component: nothing of quarantine is reached through a folder. */
static int check_name(const char *name)
{
    bool is_plain = name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
    return is_plain && !ends_with(name, WHY) ? 0 : -ENOENT;
}

/* ---- what is there ---- */

static int add_thing(struct listing *list, int dirfd, const char *name)
{
    struct stat st;
    struct stat why_st;
    char why[TB_QUARANTINE_NAME];
    if (strlen(name) >= TB_QUARANTINE_NAME || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        S_ISDIR(st.st_mode))
        return 0;
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 64;
        struct tb_quarantined *grown = realloc(list->things, cap * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        list->things = grown;
        list->cap = cap;
    }
    struct tb_quarantined *thing = &list->things[list->n++];
    memset(thing, 0, sizeof(*thing));
    memcpy(thing->name, name, strlen(name) + 1);
    thing->bytes = (uint64_t)st.st_blocks * 512;
    thing->n_files = 1;
    thing->uid = st.st_uid;
    if (beside(name, "", WHY, why) == 0 && fstatat(dirfd, why, &why_st, AT_SYMLINK_NOFOLLOW) == 0) {
        thing->bytes += (uint64_t)why_st.st_blocks * 512;
        thing->n_files = 2;
    }
    /* The change time is set by the move itself; the owner of the file cannot forge it. */
    thing->since_ns = (uint64_t)st.st_ctim.tv_sec * TB_NS_PER_S + (uint64_t)st.st_ctim.tv_nsec;
    list->bytes += thing->bytes;
    list->n_files += thing->n_files;
    return 0;
}

static int older(const void *left, const void *right)
{
    const struct tb_quarantined *a = left;
    const struct tb_quarantined *b = right;
    if (a->since_ns != b->since_ns)
        return a->since_ns < b->since_ns ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* What a writer left that died: a file it had not finished, a reason whose thing never came. */
static void clear_rubbish(int dirfd, const char *name)
{
    char thing[TB_QUARANTINE_NAME];
    struct stat st;
    size_t len = strlen(name);
    bool is_rubbish = name[0] == '.' && (ends_with(name, ".new") || ends_with(name, LEAVING));
    if (ends_with(name, WHY) && len < sizeof(thing)) {
        snprintf(thing, sizeof(thing), "%.*s", (int)(len - strlen(WHY)), name);
        is_rubbish = fstatat(dirfd, thing, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
    }
    if (is_rubbish)
        (void)unlinkat(dirfd, name, 0);
}

/* The things, oldest first; the agent clears on the way. */
static int list_folder(int dirfd, bool clear, struct listing *list)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int err = -errno;
        tb_fd_close(&fd);
        return err;
    }
    int err = 0;
    const struct dirent *entry;
    while (err == 0 && (entry = readdir(dir))) {
        if (check_name(entry->d_name) == 0)
            err = add_thing(list, dirfd, entry->d_name);
        else if (clear)
            clear_rubbish(dirfd, entry->d_name);
    }
    closedir(dir);
    if (list->n > 1)
        qsort(list->things, list->n, sizeof(*list->things), older);
    return err;
}

static int remove_thing(int dirfd, const char *name)
{
    char why[TB_QUARANTINE_NAME];
    if (unlinkat(dirfd, name, 0) < 0)
        return -errno;
    if (beside(name, "", WHY, why) == 0)
        (void)unlinkat(dirfd, why, 0); /* else the next trim takes it */
    return 0;
}

/* Of what has the name of a spool file. */
static bool read_header(int dirfd, const char *name, struct tb_file_header *out)
{
    uint8_t image[TB_FILE_HEADER_BYTES] = {0};
    int kind;
    if (tb_spool_name_parse(name, &kind) < 0 || kind == TB_FILE_MORE)
        return false;
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = tb_fd_pread_all(fd, image, sizeof(image), 0);
    tb_fd_close(&fd);
    if (n != (ssize_t)sizeof(image))
        return false;
    return tb_file_header_unpack(image, out) == 0 ||
           (tb_file_header_mend(image) == 0 && tb_file_header_unpack(image, out) == 0);
}

/* What the agent wrote is of who the header says; it wrote that too. */
static void name_reporters(int dirfd, struct listing *list)
{
    struct tb_file_header header;
    for (size_t i = 0; i < list->n; i++)
        if (list->things[i].uid == geteuid() && read_header(dirfd, list->things[i].name, &header))
            list->things[i].uid = header.uid;
}

/* Failing is no harm now: the next one tries again. */
static uint64_t trim(int dirfd, uint64_t max_bytes, size_t max_files)
{
    struct listing list = {0};
    if (list_folder(dirfd, true, &list) == 0) {
        if (tb_quarantine_is_over(list.things, list.n, max_bytes, max_files))
            name_reporters(dirfd, &list);
        for (size_t i;
             (i = tb_quarantine_next(list.things, list.n, max_bytes, max_files)) < list.n;) {
            if (remove_thing(dirfd, list.things[i].name) == 0)
                list.bytes -= list.things[i].bytes;
            list.things[i].n_files = 0; /* as good as gone: one that stays shall not be all */
        }
    }
    free(list.things);
    return list.bytes;
}

uint64_t tb_quarantine_trim(int agent_fd, uint64_t max_bytes, size_t max_files)
{
    int dirfd = open_folder(agent_fd, false);
    if (dirfd < 0)
        return 0;
    uint64_t left = trim(dirfd, max_bytes, max_files);
    tb_fd_close(&dirfd);
    return left;
}

int tb_quarantine_list(int agent_fd, struct tb_quarantined **out, size_t *n_out)
{
    struct listing list = {0};
    int dirfd = open_folder(agent_fd, false);
    if (dirfd < 0 && dirfd != -ENOENT)
        return dirfd;
    int err = dirfd < 0 ? 0 : list_folder(dirfd, false, &list);
    tb_fd_close(&dirfd);
    if (err < 0) {
        free(list.things);
        return err;
    }
    *out = list.things;
    *n_out = list.n;
    return 0;
}

const char *tb_quarantine_why(int agent_fd, const char *name, char out[TB_QUARANTINE_WHY])
{
    char path[TB_QUARANTINE_NAME];
    out[0] = '\0';
    int dirfd = open_folder(agent_fd, false);
    if (dirfd < 0)
        return out;
    int fd = -1;
    if (check_name(name) == 0 && beside(name, "", WHY, path) == 0)
        fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : tb_fd_pread_all(fd, out, TB_QUARANTINE_WHY - 1, 0);
    out[n < 0 ? 0 : n] = '\0';
    out[strcspn(out, "\n")] = '\0';
    tb_fd_close(&fd);
    tb_fd_close(&dirfd);
    return out;
}

/* ---- putting in ---- */

/* On a full disk the thing itself matters more: then there is none. Not synced: the thing is. */
static void write_reason(int dirfd, const char *name, const char *reason)
{
    char path[TB_QUARANTINE_NAME];
    char temporary[TB_QUARANTINE_NAME];
    struct tb_buf text;
    if (beside(name, "", WHY, path) < 0 || beside(name, ".", WHY ".new", temporary) < 0)
        return;
    tb_buf_init(&text, TB_QUARANTINE_WHY);
    tb_buf_add(&text, reason, strnlen(reason, TB_QUARANTINE_WHY - 2));
    for (char *c = text.data; c && *c; c++)
        *c = *c == '\n' ? ' ' : *c;
    tb_buf_adds(&text, "\n");
    int fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int err = fd < 0 ? -errno : text.err;
    if (err == 0)
        err = tb_fd_write_all(fd, text.data, text.len);
    tb_fd_close(&fd);
    if (err < 0 || renameat(dirfd, temporary, dirfd, path) < 0)
        (void)unlinkat(dirfd, temporary, 0);
    tb_buf_done(&text);
}

int tb_quarantine_file(int agent_fd, int in_fd, const char *name, const char *reason)
{
    if (check_name(name) < 0)
        return -ENOENT;
    int dirfd = open_folder(agent_fd, true);
    if (dirfd < 0)
        return dirfd;
    write_reason(dirfd, name, reason);
    int err = renameat(in_fd, name, dirfd, name) < 0 ? -errno : 0;
    if (err == 0) {
        (void)tb_fd_sync(dirfd); /* a move undone by a power loss is done again */
        (void)tb_fd_sync(in_fd);
    }
    trim(dirfd, TB_QUARANTINE_BYTES, TB_QUARANTINE_FILES);
    tb_fd_close(&dirfd);
    return err;
}

int tb_quarantine_data(int agent_fd, const char *name, const void *data, size_t len,
                       const char *reason)
{
    if (check_name(name) < 0)
        return -ENOENT;
    int dirfd = open_folder(agent_fd, true);
    if (dirfd < 0)
        return dirfd;
    write_reason(dirfd, name, reason);
    int err = tb_fd_replace(dirfd, name, data, len);
    trim(dirfd, TB_QUARANTINE_BYTES, TB_QUARANTINE_FILES);
    tb_fd_close(&dirfd);
    return err;
}

/* ---- taking out ---- */

/* The agent may put the thing in again at once, with a new reason: so the old one goes first, and
 * comes back when the move fails. */
static int move_out(int dirfd, int in_fd, const char *name)
{
    char why[TB_QUARANTINE_NAME];
    char leaving[TB_QUARANTINE_NAME];
    int err = beside(name, "", WHY, why);
    if (err < 0 || (err = beside(name, ".", LEAVING, leaving)) < 0)
        return err;
    bool has_why = renameat(dirfd, why, dirfd, leaving) == 0;
    if (renameat2(dirfd, name, in_fd, name, RENAME_NOREPLACE) < 0)
        err = -errno;
    if (has_why && (err == 0 || renameat(dirfd, leaving, dirfd, why) < 0))
        (void)unlinkat(dirfd, leaving, 0);
    return err;
}

int tb_quarantine_retry(int agent_fd, int in_fd, const char *name)
{
    int kind;
    struct stat st;
    if (check_name(name) < 0)
        return -ENOENT;
    int dirfd = open_folder(agent_fd, false);
    if (dirfd < 0)
        return dirfd;
    int err = 0;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        err = -errno;
    else if (tb_spool_name_parse(name, &kind) < 0 || kind == TB_FILE_MORE)
        err = -EPROTONOSUPPORT;
    else
        err = move_out(dirfd, in_fd, name);
    if (err == 0) {
        (void)tb_fd_sync(in_fd); /* a move undone by a power loss can be done again */
        (void)tb_fd_sync(dirfd);
    }
    tb_fd_close(&dirfd);
    return err;
}

int tb_quarantine_remove(int agent_fd, const char *name)
{
    if (check_name(name) < 0)
        return -ENOENT;
    int dirfd = open_folder(agent_fd, false);
    if (dirfd < 0)
        return dirfd;
    int err = remove_thing(dirfd, name);
    tb_fd_close(&dirfd);
    return err;
}

/* ---- acknowledgements of what is there ---- */

/* The id of a file in quarantine as ack.log names it; 0 when its header does not say. */
static uint64_t id_of(int dirfd, const char *name)
{
    struct tb_file_header header;
    return read_header(dirfd, name, &header) ? tb_get64(header.id) : 0;
}

static void pack_acks(const struct tb_acklog *log, uint64_t id, struct tb_buf *out)
{
    const struct tb_ack *acks;
    size_t n = tb_acklog_find(log, id, &acks);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || acks[i].off8 != acks[i - 1].off8)
            tb_acklog_pack(out, &acks[i]);
    }
}

int tb_quarantine_keep_acks(int agent_fd, const struct tb_acklog *log, struct tb_buf *out)
{
    struct listing list = {0};
    struct tb_acklog own = {.fd = -1};
    int dirfd = open_folder(agent_fd, false);
    if (dirfd < 0)
        return dirfd == -ENOENT ? 0 : dirfd;
    int err = list_folder(dirfd, false, &list);
    if (err == 0 && list.n > 0 && !log)
        err = tb_acklog_read(&own, agent_fd);
    if (!log)
        log = &own;
    for (size_t i = 0; i < list.n && log->n_loaded > 0; i++) {
        uint64_t id = id_of(dirfd, list.things[i].name);
        if (id != 0)
            pack_acks(log, id, out);
    }
    tb_acklog_close(&own);
    free(list.things);
    tb_fd_close(&dirfd);
    return err;
}
