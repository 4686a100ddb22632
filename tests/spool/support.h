/* support.h - what the spool's tests share: a spool of their own, records that check themselves. */
#ifndef TEST_SPOOL_SUPPORT_H
#define TEST_SPOOL_SUPPORT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/pack.h"
#include "spool/dir.h"
#include "spool/reader.h"
#include "spool/slot.h"
#include "spool/writer.h"

struct fixture {
    char path[64]; /* of the spool */
    int dirfd;     /* its in/, as a producer holds it */
    struct tb_spool *spool;
};

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *where)
{
    (void)st;
    (void)flag;
    (void)where;
    return remove(path);
}

static inline void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void open_spool(struct fixture *fixture)
{
    char why[TB_SPOOL_WHY] = "";
    int err = tb_spool_open(fixture->path, TB_SPOOL_CREATE, &fixture->spool, why);
    if (err < 0)
        print_error("%s\n", why);
    assert_int_equal(err, 0);
}

static inline void close_spool(struct fixture *fixture)
{
    tb_spool_close(fixture->spool);
    fixture->spool = NULL;
}

static inline void reopen_spool(struct fixture *fixture)
{
    close_spool(fixture);
    open_spool(fixture);
}

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char why[TB_SPOOL_WHY] = "";
    strcpy(fixture->path, "/tmp/towbar-spool-XXXXXX");
    if (!mkdtemp(fixture->path))
        return -1;
    fixture->dirfd = tb_spool_dir_open(fixture->path, 1, why);
    *state = fixture;
    return fixture->dirfd < 0 ? -1 : 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    tb_spool_close(fixture->spool);
    tb_fd_close(&fixture->dirfd);
    remove_tree(fixture->path);
    free(fixture);
    return 0;
}

/* The payload of record number n: its number, then bytes that follow from it. */
static inline void make_payload(uint64_t n, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(n * 31 + i * 7 + (i >> 8));
    if (len >= 8)
        tb_put64(out, n);
}

static inline int append_sized(struct tb_writer *writer, uint64_t n, size_t len)
{
    static _Thread_local uint8_t data[TB_PAYLOAD_MAX_BYTES + 8];
    uint8_t uuid[16] = {0};
    tb_put64(uuid, n);
    make_payload(n, data, len);
    struct tb_append record = {
        .kind = TB_KIND_ITEM, .uuid = uuid, .time_ns = n + 1, .data = data, .len = len};
    return tb_writer_append(writer, &record);
}

static inline int append(struct tb_writer *writer, uint64_t n)
{
    return append_sized(writer, n, 40 + n % 50);
}

/* The number of a record made by append, every byte of it checked. */
static inline uint64_t check_record(const struct tb_spool_record *record)
{
    uint64_t n = tb_get64(record->uuid);
    uint8_t *want = malloc(record->len + 1);
    make_payload(n, want, record->len);
    assert_int_equal(record->kind, TB_KIND_ITEM);
    assert_int_equal(record->time_ns, n + 1);
    assert_memory_equal(record->data, want, record->len);
    free(want);
    return n;
}

/* Reads all that is there, counts record n in seen[n]; returns how many. Acknowledges if told so.
 */
static inline size_t drain(struct tb_spool *spool, uint8_t *seen, size_t n_seen, int ack)
{
    struct tb_spool_record record;
    size_t n = 0;
    int err;
    while ((err = tb_spool_next(spool, &record)) == 0) {
        uint64_t number = check_record(&record);
        assert_true(number < n_seen);
        if (seen)
            seen[number]++;
        if (ack)
            tb_spool_ack(spool, record.file_id, record.off8, TB_ACK_STORED);
        n++;
    }
    assert_int_equal(err, -EAGAIN);
    return n;
}

/* The path of the only file in in/ whose name ends so. */
static inline void only_file(const struct fixture *fixture, const char *suffix, char out[256])
{
    char folder[80];
    (void)snprintf(folder, sizeof(folder), "%s/in", fixture->path);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int n = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);
        if (len < strlen(suffix) || strcmp(entry->d_name + len - strlen(suffix), suffix) != 0)
            continue;
        (void)snprintf(out, 256, "%s/%.128s", folder, entry->d_name);
        n++;
    }
    closedir(dir);
    assert_int_equal(n, 1);
}

static inline int count_files(const struct fixture *fixture, const char *folder, const char *suffix)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", fixture->path, folder);
    DIR *dir = opendir(path);
    int n = 0;
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);
        n += len >= strlen(suffix) && entry->d_name[0] != '.' &&
             strcmp(entry->d_name + len - strlen(suffix), suffix) == 0;
    }
    if (dir)
        closedir(dir);
    return n;
}

/* A segment made by hand, to be damaged. */
enum { IMAGE_SALT = 0x5a17, IMAGE_CAP = 1 << 20 };
struct image {
    uint8_t bytes[IMAGE_CAP];
    size_t len;
    uint64_t seq;
    char path[160]; /* of the file that write_image made */
};

static inline struct image *new_image(uint64_t id)
{
    struct image *image = calloc(1, sizeof(*image));
    struct tb_file_header header = {
        .class_ = TB_CLASS_ERROR, .salt = IMAGE_SALT, .file_bytes = TB_SEGMENT_BYTES};
    tb_put64(header.id, id);
    tb_file_header_pack(&header, image->bytes);
    image->len = TB_FILE_HEADER_BYTES;
    return image;
}

static inline void add_frame(struct image *image, int type, int kind, uint64_t n, size_t len)
{
    struct tb_frame frame = {.len = (uint32_t)len,
                             .type = (uint8_t)type,
                             .class_ = TB_CLASS_ERROR,
                             .kind = (uint8_t)kind,
                             .offset = image->len,
                             .seq = image->seq++,
                             .time_ns = n + 1};
    uint8_t *at = image->bytes + image->len;
    assert_true(image->len + tb_frame_room(len) <= IMAGE_CAP);
    tb_put64(frame.uuid, n);
    make_payload(n, at + TB_FRAME_HEADER_BYTES, len);
    tb_frame_pack(&frame, IMAGE_SALT, at + TB_FRAME_HEADER_BYTES, at);
    image->len += tb_frame_room(len);
}

static inline void add_item(struct image *image, uint64_t n, size_t len)
{
    add_frame(image, TB_FRAME_FULL, TB_KIND_ITEM, n, len);
}

/* Puts the image into in/ as one write; returns the descriptor. */
static inline int write_image(const struct fixture *fixture, struct image *image)
{
    char name[TB_SPOOL_NAME];
    static const uint8_t boot[16];
    tb_spool_name(TB_CLASS_ERROR, boot, 0, "seg", name);
    (void)snprintf(image->path, sizeof(image->path), "%s/in/%s", fixture->path, name);
    int fd = open(image->path, O_RDWR | O_CREAT | O_EXCL, 0640);
    assert_true(fd >= 0);
    assert_int_equal(tb_fd_pwrite_all(fd, image->bytes, image->len, 0), 0);
    return fd;
}

static inline void lock_as_owner(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
}

static inline struct tb_spool_stats stats_of(const struct fixture *fixture)
{
    struct tb_spool_stats stats;
    tb_spool_stats(fixture->spool, &stats);
    return stats;
}

#endif
