/* fuzz_spool_reader.c - any bytes as a segment, a slot, ack.log, a slot with notes, or the other
 * threads of a crash: read it all, with contexts, acknowledge, collect. The first byte of an input
 * says which file it is (modulo 5) and, with bit 7, that the checksums are put right first: else
 * hardly an input would get past them. A slot's input is its first 256 bytes, then 4 KiB of area A,
 * or of the notes, then the crash area. Other threads stand beside a slot with a good crash. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/pack.h"
#include "spool/peek.h"
#include "spool/reader.h"
#include "spool/slot.h"

enum { SEALED = 0x80, HEAD_BYTES = 256 };
enum { SEGMENT, SLOT, ACKS, NOTES, MORE, N_KINDS };
static char folder[] = "/tmp/towbar-fuzz-XXXXXX";
static uint8_t file[TB_SEGMENT_BYTES];

static void remove_folder(void)
{
    char command[64];
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    if (system(command) != 0)
        fprintf(stderr, "%s stays\n", folder);
}

static void seal_notes(void)
{
    uint32_t salt = tb_get32(file + 16);
    for (size_t i = 0; i < TB_SLOT_NOTES_MAX; i++) {
        uint8_t *note = file + TB_SLOT_NOTES_AT + i * TB_SLOT_NOTE_BYTES;
        tb_put32(note, tb_crc32c(salt, note + 4, TB_SLOT_NOTE_BYTES - 4));
    }
}

/* Makes magic, version and every checksum right; all else stays as it is. */
static void seal(size_t size)
{
    uint32_t salt = tb_get32(file + 16);
    memcpy(file, "TOWBAR\0\1\1\0\200\0", 12);
    tb_put32(file + 124, tb_crc32c(0, file, 124));
    for (size_t at = TB_FILE_HEADER_BYTES; at + TB_FRAME_HEADER_BYTES <= size; at += 8) {
        uint32_t len = tb_get32(file + at + 8);
        if (memcmp(file + at, "TBF1", 4) != 0 || len > size - at - TB_FRAME_HEADER_BYTES)
            continue;
        const uint8_t *payload = file + at + TB_FRAME_HEADER_BYTES;
        tb_put32(file + at + 12, file[at + 19] & TB_FRAME_CRC32 ? tb_crc32(salt, payload, len)
                                                                : tb_crc32c(salt, payload, len));
        tb_put32(file + at + 20, (uint32_t)(at / 8));
        tb_put32(file + at + 4, tb_crc32c(salt, file + at + 8, TB_FRAME_HEADER_BYTES - 8));
    }
}

/* Lays the input out as the file it stands for; the file's length. */
static size_t lay_out(const uint8_t *data, size_t size, int kind)
{
    size_t head = size < HEAD_BYTES ? size : HEAD_BYTES;
    size_t area = size - head < TB_SLOT_PAGE ? size - head : TB_SLOT_PAGE;
    if (kind != SLOT && kind != NOTES) {
        memcpy(file, data, size);
        return size;
    }
    size_t rest = size - head - area;
    rest = rest < TB_SLOT_BYTES - TB_SLOT_CRASH_AT ? rest : TB_SLOT_BYTES - TB_SLOT_CRASH_AT;
    memcpy(file, data, head);
    memcpy(file + (kind == NOTES ? TB_SLOT_NOTES_AT : TB_SLOT_AREA_A), data + head, area);
    memcpy(file + TB_SLOT_CRASH_AT, data + head + area, rest);
    return TB_SLOT_CRASH_AT + rest;
}

static void put_file(const char *path, const uint8_t *data, size_t size)
{
    static const struct timespec old[2] = {{1, 0}, {1, 0}}; /* not one that is just being made */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || futimens(fd, old) < 0)
        abort();
    close(fd);
}

/* A crash of process 0, for which there may be threads: their uuid is zeros. */
static void put_crash(const char *path)
{
    static uint8_t slot[TB_SLOT_BYTES];
    struct tb_file_header header = {.kind = TB_FILE_SLOT, .file_bytes = TB_SLOT_BYTES};
    uint8_t *page = slot + TB_SLOT_CRASH_AT;
    struct tb_frame frame = {
        .len = 16, .type = TB_FRAME_FULL, .kind = TB_KIND_CRASH, .offset = TB_SLOT_CRASH_AT};
    tb_put64(header.id, 1);
    tb_file_header_pack(&header, slot);
    tb_put32(slot + TB_SLOT_STATE_AT, TB_SLOT_COMPLETE);
    tb_put32(page + TB_FRAME_HEADER_BYTES + 4, 8); /* one chunk of 8 bytes */
    tb_frame_pack(&frame, 0, page + TB_FRAME_HEADER_BYTES, page);
    put_file(path, slot, sizeof(slot));
}

static struct tb_spool *open_spool(struct tb_spool *before)
{
    struct tb_spool *spool;
    char why[TB_SPOOL_WHY];
    tb_spool_close(before);
    if (tb_spool_open(folder, TB_SPOOL_CREATE, &spool, why) < 0)
        abort();
    return spool;
}

static void drain(struct tb_spool *spool)
{
    struct tb_spool_record record;
    for (size_t n = 0; tb_spool_next(spool, &record) == 0; n++) {
        const uint8_t *context;
        size_t len;
        /* The checksum touches every byte. */
        static volatile uint32_t sum;
        sum = tb_crc32c(0, record.data, record.len);
        if (tb_spool_context(spool, &record, 0, &context, &len) == 0)
            sum = tb_crc32c(sum, context, len);
        tb_spool_ack(spool, record.file_id, record.off8, TB_ACK_STORED);
        if (n > TB_SEGMENT_BYTES / TB_FRAME_HEADER_BYTES)
            abort();
    }
    if (tb_spool_flush(spool) < 0)
        abort();
    (void)tb_spool_collect(spool);
}

static int touch(void *arg, const struct tb_peek_file *of, const struct tb_peek_part *part)
{
    uint32_t *sum = arg;
    (void)of;
    *sum += tb_crc32c(0, part->data, part->data ? part->len : 0);
    return 0;
}

/* The same by the walk that only looks. */
static void look(void)
{
    uint32_t sum = 0;
    struct tb_peek *peek;
    char why[TB_SPOOL_WHY];
    size_t n;
    if (tb_peek_open(folder, &peek, why) < 0)
        abort();
    struct tb_peek_file *files = tb_peek_files(peek, &n);
    for (size_t i = 0; i < n; i++) {
        if (tb_peek_walk(peek, &files[i], touch, &sum) < 0)
            abort();
    }
    (void)*(volatile uint32_t *)&sum;
    tb_peek_close(peek);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[N_KINDS] = {
        "in/1-00000000-0000000000000001-0.seg", "in/0-00000000-0000000000000001-0.slot",
        "agent/ack.log", "in/0-00000000-0000000000000001-0.slot",
        "in/0-00000000-0000000000000002-0.more"};
    char crash[128];
    static struct tb_spool *spool;
    char path[128];
    if (size < 2 || size - 1 > sizeof(file))
        return 0;
    if (!spool) {
        if (!mkdtemp(folder) || atexit(remove_folder) != 0)
            abort();
        spool = open_spool(NULL);
    }
    int kind = (data[0] & ~SEALED) % N_KINDS;
    memset(file, 0, TB_SLOT_BYTES);
    size_t len = lay_out(data + 1, size - 1, kind);
    if ((data[0] & SEALED) && kind != ACKS && len >= TB_FILE_HEADER_BYTES)
        seal(len);
    if ((data[0] & SEALED) && kind == NOTES)
        seal_notes();
    (void)snprintf(path, sizeof(path), "%s/%s", folder, names[kind]);
    (void)snprintf(crash, sizeof(crash), "%s/in/0-00000000-0000000000000002-0.slot", folder);
    put_file(path, file, len);
    if (kind == MORE)
        put_crash(crash);
    if (kind == ACKS)
        spool = open_spool(spool);
    look();
    drain(spool);
    (void)unlink(path);
    (void)unlink(crash);
    return 0;
}
