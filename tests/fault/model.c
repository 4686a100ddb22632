/* model.c - see model.h. */
#include "model.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "faults.h"

enum {
    MAX_OPS = 20000,
    MAX_FILES = 256,
    MAX_NAMES = 256,
    PAGE = 4096,
    FILE_MAX = 4 << 20,
    NO_FILE = -1,
};
enum folder { IN, AGENT, QUARANTINE, N_FOLDERS, ELSEWHERE = N_FOLDERS };
static const char *const FOLDERS[N_FOLDERS] = {"in", "agent", "agent/quarantine"};

enum kind { CREATE, WRITE, SIZE, RENAME, UNLINK, MKDIR, SYNC_FILE, SYNC_FOLDER, MARK };

struct op {
    enum kind kind;
    int file;               /* number of a file, or NO_FILE */
    enum folder folder, to; /* of the name; a rename's second one */
    char name[80], name2[80];
    uint64_t offset, size;
    uint8_t *data; /* owned */
    size_t len;
    enum model_mark mark;
    uint32_t n;
};

static struct op ops[MAX_OPS];
static size_t n_ops;
static ino_t inodes[MAX_FILES]; /* by number; a later one counts */
static uint8_t *contents[MAX_FILES];
static uint64_t sizes[MAX_FILES];
static int n_files;
static struct world recorded;

/* ---- recording ---- */

static struct op *add_op(enum kind kind)
{
    if (n_ops == MAX_OPS)
        abort();
    struct op *op = &ops[n_ops++];
    memset(op, 0, sizeof(*op));
    op->kind = kind;
    op->file = NO_FILE;
    return op;
}

static ino_t inode_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static int file_of(int fd)
{
    ino_t inode = inode_of(fd);
    for (int i = n_files; i-- > 0;) {
        if (inodes[i] == inode)
            return i;
    }
    return NO_FILE;
}

static enum folder folder_of(int fd)
{
    ino_t inode = inode_of(fd);
    for (int i = 0; i < N_FOLDERS; i++) {
        char path[128];
        struct stat st;
        (void)snprintf(path, sizeof(path), "%s/%s", recorded.path, FOLDERS[i]);
        if (stat(path, &st) == 0 && st.st_ino == inode)
            return (enum folder)i;
    }
    return ELSEWHERE;
}

static void note_size(int fd, int file)
{
    struct stat st;
    if (file == NO_FILE || fstat(fd, &st) < 0 || (uint64_t)st.st_size == sizes[file])
        return;
    struct op *op = add_op(SIZE);
    op->file = file;
    op->size = (uint64_t)st.st_size;
    sizes[file] = op->size;
}

static void note_write(int fd, uint64_t offset, const void *data, size_t len)
{
    int file = file_of(fd);
    if (file == NO_FILE || offset + len > FILE_MAX)
        return;
    struct op *op = add_op(WRITE);
    op->file = file;
    op->offset = offset;
    op->len = len;
    op->data = malloc(len);
    if (!op->data)
        abort();
    memcpy(op->data, data, len);
    memcpy(contents[file] + offset, data, len);
    note_size(fd, file);
}

static void note_create(const struct fault_op *told)
{
    enum folder folder = folder_of(told->dirfd);
    if (folder == ELSEWHERE)
        return;
    if (n_files == MAX_FILES || !(contents[n_files] = calloc(1, FILE_MAX)))
        abort();
    inodes[n_files] = inode_of(told->fd);
    sizes[n_files] = 0;
    struct op *op = add_op(CREATE);
    op->file = n_files++;
    op->folder = folder;
    (void)snprintf(op->name, sizeof(op->name), "%s", told->name);
}

static void note_name(enum kind kind, const struct fault_op *told)
{
    struct op *op = add_op(kind);
    op->folder = folder_of(told->dirfd);
    (void)snprintf(op->name, sizeof(op->name), "%s", told->name);
    op->to = op->folder;
    if (kind != RENAME)
        return;
    op->to = folder_of(told->dirfd2);
    (void)snprintf(op->name2, sizeof(op->name2), "%s", told->name2);
}

static void note_sync(int fd)
{
    enum folder folder = folder_of(fd);
    int file = folder == ELSEWHERE ? file_of(fd) : NO_FILE;
    if (folder == ELSEWHERE && file == NO_FILE)
        return;
    struct op *op = add_op(folder == ELSEWHERE ? SYNC_FILE : SYNC_FOLDER);
    op->folder = folder;
    op->file = file;
}

static void note(const struct fault_op *told)
{
    switch (told->kind) {
    case OP_CREATE:
        note_create(told);
        break;
    case OP_WRITE:
        note_write(told->fd, told->offset, told->data, told->len);
        break;
    case OP_SIZE:
        note_size(told->fd, file_of(told->fd));
        break;
    case OP_MKDIR:
        note_name(MKDIR, told);
        break;
    case OP_RENAME:
        note_name(RENAME, told);
        break;
    case OP_UNLINK:
        note_name(UNLINK, told);
        break;
    case OP_SYNC:
        note_sync(told->fd);
        break;
    default:
        abort();
    }
}

void model_begin(const struct world *world)
{
    recorded = *world;
    n_ops = 0;
    n_files = 0;
    faults_watch(note);
}

void model_end(void)
{
    faults_watch(NULL);
}

void model_free(void)
{
    for (size_t i = 0; i < n_ops; i++)
        free(ops[i].data);
    for (int i = 0; i < n_files; i++)
        free(contents[i]);
    n_ops = 0;
    n_files = 0;
}

void model_mark(enum model_mark kind, uint32_t n, int fd)
{
    struct op *op = add_op(MARK);
    op->mark = kind;
    op->n = n;
    op->file = fd < 0 ? NO_FILE : file_of(fd);
}

void model_look_at_mapping(int fd)
{
    int file = file_of(fd);
    for (uint64_t at = 0; file != NO_FILE && at < sizes[file]; at += PAGE) {
        uint8_t page[PAGE];
        ssize_t n = tb_fd_pread_all(fd, page, sizeof(page), at);
        if (n > 0 && memcmp(page, contents[file] + at, (size_t)n) != 0)
            note_write(fd, at, page, (size_t)n);
    }
}

void model_sync_in(void)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/in", recorded.path);
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0 || tb_fd_sync(fd) < 0)
        abort();
    close(fd);
}

size_t model_n_ops(void)
{
    return n_ops;
}

/* ---- what is left ---- */

/* Operations on it before this one are on the disk. */
static size_t synced_file(int file, size_t k)
{
    for (size_t i = k; i-- > 0;) {
        if (ops[i].kind == SYNC_FILE && ops[i].file == file)
            return i;
    }
    return 0;
}

static size_t synced_folder(enum folder folder, size_t k)
{
    for (size_t i = k; i-- > 0;) {
        if (ops[i].kind == SYNC_FOLDER && ops[i].folder == folder)
            return i;
    }
    return 0;
}

static size_t between(uint64_t *seed, size_t low, size_t high)
{
    return low + world_dice(seed, (uint32_t)(high - low + 1));
}

static void apply_write(uint8_t *bytes, uint64_t size, const struct op *op, int is_certain,
                        uint64_t *seed)
{
    for (uint64_t at = op->offset; at < op->offset + op->len;) {
        uint64_t end = (at / PAGE + 1) * PAGE;
        end = end < op->offset + op->len ? end : op->offset + op->len;
        if (at < size && (is_certain || world_dice(seed, 2)))
            memcpy(bytes + at, op->data + (at - op->offset), (end < size ? end : size) - at);
        at = end;
    }
}

static void write_file(const struct world *target, const char *path, int file, size_t k,
                       uint64_t *seed)
{
    static uint8_t bytes[FILE_MAX];
    char full[256];
    uint64_t size = 0;
    size_t synced = synced_file(file, k);
    size_t size_at = seed ? between(seed, synced, k) : k;
    for (size_t i = 0; i < size_at; i++) {
        if (ops[i].kind == SIZE && ops[i].file == file)
            size = ops[i].size;
    }
    size = size < FILE_MAX ? size : FILE_MAX;
    memset(bytes, 0, size);
    for (size_t i = 0; i < k; i++) {
        if (ops[i].kind == WRITE && ops[i].file == file)
            apply_write(bytes, size, &ops[i], !seed || i < synced, seed);
    }
    (void)snprintf(full, sizeof(full), "%s/%s", target->path, path);
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    uint64_t used = size;
    while (used > 0 && bytes[used - 1] == 0)
        used--;
    if (fd < 0 || tb_fd_write_all(fd, bytes, used) < 0 || ftruncate(fd, (off_t)size) < 0)
        abort();
    close(fd);
}

struct name {
    enum folder folder;
    char name[80];
    int file;
};

static void put_name(struct name *names, size_t *n, enum folder folder, const char *name, int file)
{
    for (size_t i = 0; i < *n; i++) {
        if (names[i].folder != folder || strcmp(names[i].name, name) != 0)
            continue;
        if (file == NO_FILE)
            names[i] = names[--*n];
        else
            names[i].file = file;
        return;
    }
    if (file == NO_FILE)
        return;
    if (*n == MAX_NAMES)
        abort();
    names[*n].folder = folder;
    names[*n].file = file;
    (void)snprintf(names[*n].name, sizeof(names[*n].name), "%s", name);
    (*n)++;
}

static int find_name(const struct name *names, size_t n, enum folder folder, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (names[i].folder == folder && strcmp(names[i].name, name) == 0)
            return names[i].file;
    }
    return NO_FILE;
}

/* The names that are left, given how far each folder got. */
static size_t apply_names(const size_t cut[N_FOLDERS], size_t k, struct name *names,
                          int *has_quarantine)
{
    size_t n = 0;
    *has_quarantine = 0;
    for (size_t i = 0; i < k; i++) {
        const struct op *op = &ops[i];
        if (op->kind != CREATE && op->kind != UNLINK && op->kind != RENAME && op->kind != MKDIR)
            continue;
        if (i >= cut[op->folder] || (op->kind == RENAME && i >= cut[op->to]))
            continue;
        if (op->kind == CREATE) {
            put_name(names, &n, op->folder, op->name, op->file);
        } else if (op->kind == UNLINK) {
            put_name(names, &n, op->folder, op->name, NO_FILE);
        } else if (op->kind == MKDIR) {
            *has_quarantine = 1;
        } else {
            int file = find_name(names, n, op->folder, op->name);
            put_name(names, &n, op->folder, op->name, NO_FILE);
            put_name(names, &n, op->to, op->name2, file);
        }
    }
    return n;
}

void model_rebuild(const struct world *target, size_t k, uint64_t *seed)
{
    static struct name names[MAX_NAMES];
    size_t cut[N_FOLDERS];
    int has_quarantine;
    char path[128];
    for (int i = 0; i < N_FOLDERS; i++)
        cut[i] = seed ? between(seed, synced_folder((enum folder)i, k), k) : k;
    size_t n = apply_names(cut, k, names, &has_quarantine);
    (void)snprintf(path, sizeof(path), "%s/agent", target->path);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%s/%s", target->path, FOLDERS[QUARANTINE]);
    if (has_quarantine)
        (void)mkdir(path, 0700);
    for (size_t i = 0; i < n; i++) {
        if (names[i].folder == QUARANTINE && !has_quarantine)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", FOLDERS[names[i].folder], names[i].name);
        write_file(target, path, names[i].file, k, seed);
    }
}

/* ---- what was promised ---- */

static const struct op *find_mark(enum model_mark mark, uint32_t n, size_t k, size_t *at)
{
    for (size_t i = 0; i < k; i++) {
        if (ops[i].kind == MARK && ops[i].mark == mark && ops[i].n == n) {
            *at = i;
            return &ops[i];
        }
    }
    return NULL;
}

int model_is_acked(uint32_t n, size_t k)
{
    size_t at;
    return find_mark(MARK_ACKED, n, k, &at) != NULL;
}

int model_is_promised(uint32_t n, size_t k)
{
    size_t at;
    const struct op *mark = find_mark(MARK_ACKED, n, k, &at);
    if (!mark || mark->file == NO_FILE || synced_file(mark->file, k) < at + 1)
        return 0;
    for (size_t i = 0; i < k; i++) {
        if (ops[i].kind == CREATE && ops[i].file == mark->file)
            return synced_folder(IN, k) > i;
    }
    return 0;
}

int model_is_stored(uint32_t n, size_t k, int is_synced)
{
    size_t at;
    if (!find_mark(MARK_STORED, n, k, &at))
        return 0;
    for (size_t i = at; i < k; i++) {
        if (!is_synced || (ops[i].kind == MARK && ops[i].mark == MARK_STORE_SYNCED))
            return 1;
    }
    return 0;
}
