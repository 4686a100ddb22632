/* world.c - see world.h. The clock of the program is the one of tests/spool/clock.h. */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "faults.h"
#include "../spool/clock.h"

enum { PATIENCE_S = 10 };

void world_open(struct world *world, struct oracle *oracle)
{
    char why[TB_SPOOL_WHY] = "";
    world->oracle = oracle;
    const char *base = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(world->path, sizeof(world->path), "%s/towbar-fault-XXXXXX", base);
    if (!mkdtemp(world->path) || (world->in_fd = tb_spool_dir_open(world->path, 1, why)) < 0) {
        (void)fprintf(stderr, "no spool in %s: %s\n", base, why);
        abort();
    }
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *where)
{
    (void)st;
    (void)flag;
    (void)where;
    return remove(path);
}

void world_close(struct world *world)
{
    tb_fd_close(&world->in_fd);
    test_skew_ns = 0;
    (void)nftw(world->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Names in in/ that end so. */
static int count_names(const struct world *world, const char *suffix)
{
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/in", world->path);
    DIR *dir = opendir(path);
    int n = 0;
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        size_t len = strlen(entry->d_name);
        size_t end = strlen(suffix);
        n += len > 2 && len >= end && strcmp(entry->d_name + len - end, suffix) == 0;
    }
    if (dir)
        closedir(dir);
    return n;
}

struct tb_spool *world_reader(const struct world *world)
{
    char why[TB_SPOOL_WHY] = "";
    struct tb_spool *spool = NULL;
    faults_blind(1); /* closing a watch takes milliseconds */
    int err = tb_spool_open(world->path, TB_SPOOL_CREATE, &spool, why);
    faults_blind(0);
    if (err < 0)
        (void)fprintf(stderr, "%s\n", why);
    return err < 0 ? NULL : spool;
}

size_t world_drain(struct world *world, struct tb_spool *spool)
{
    struct tb_spool_record record;
    size_t n = 0;
    while (tb_spool_next(spool, &record) == 0) {
        if (oracle_deliver(world->oracle, &record) >= 0)
            n++;
        tb_spool_ack(spool, record.file_id, record.off8, TB_ACK_STORED);
    }
    return n;
}

/* An agent that dies between removing a slot and its threads leaves those; they go after an hour,
 * when there is too much. Nothing else may go for that. */
static void evict_lone_threads(const struct world *world, struct tb_spool *spool)
{
    enum { HOUR_S = 3601, YEARS = 1 << 20 };
    const struct tb_spool_policy policy = {.max_age_hours = {YEARS, YEARS, YEARS, YEARS}};
    struct tb_spool_evicted out;
    if (count_names(world, ".more") == 0 || count_names(world, "") > count_names(world, ".more"))
        return;
    world_pass_s(HOUR_S);
    (void)tb_spool_evict(spool, &policy, &out);
}

int world_settle(struct world *world, struct tb_spool_stats *stats)
{
    struct tb_spool *spool = world_reader(world);
    if (!spool)
        return -1;
    for (int i = 0; i < 2; i++) {
        (void)world_drain(world, spool);
        if (tb_spool_flush(spool) < 0)
            break;
        (void)tb_spool_collect(spool);
        world_pass_s(PATIENCE_S);
    }
    world_look_into_quarantine(world);
    evict_lone_threads(world, spool);
    if (stats)
        tb_spool_stats(spool, stats);
    tb_spool_close(spool);
    int n_more = count_names(world, ".more"); /* each beside its slot, if there is any file else */
    int n = world_count(world, "in");
    return n > n_more ? n - n_more : n;
}

/* Is the payload of record n in the file? */
static int holds(const struct world *world, int dirfd, const char *name, uint32_t n)
{
    static uint8_t want[128 << 10];
    struct tb_buf bytes;
    tb_buf_init(&bytes, 8 << 20);
    oracle_payload(world->oracle, n, want);
    int err = tb_fd_slurp(dirfd, name, &bytes);
    int is_there = err == 0 && bytes.len > 0 &&
                   memmem(bytes.data, bytes.len, want, oracle_len(world->oracle, n)) != NULL;
    tb_buf_done(&bytes);
    return is_there;
}

void world_look_into_quarantine(struct world *world)
{
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/agent/quarantine", world->path);
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        for (uint32_t n = 0; entry->d_name[0] != '.' && n < atomic_load(&world->oracle->n); n++) {
            struct oracle_entry *noted = &world->oracle->entries[n];
            if (atomic_load(&noted->quarantine) == 1 && holds(world, dirfd(dir), entry->d_name, n))
                atomic_store(&noted->quarantine, 2);
        }
    }
    closedir(dir);
}

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;
    for (const struct dirent *entry; dir && (entry = readdir(dir));)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (dir)
        closedir(dir);
    return n;
}

int world_count(const struct world *world, const char *folder)
{
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/%s", world->path, folder);
    return count_entries(path);
}

int world_n_fds(void)
{
    return count_entries("/proc/self/fd");
}

int world_n_nameless(void)
{
    enum { N = 256 };
    int n = 0;
    for (int fd = 0; fd < N; fd++) {
        struct stat st;
        n += fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0;
    }
    return n;
}

void world_pass_s(unsigned s)
{
    pass_ms(s * UINT64_C(1000));
}

int world_is_long(void)
{
    const char *value = getenv("TOWBAR_LONG");
    return value && strcmp(value, "1") == 0;
}

uint32_t world_dice(uint64_t *seed, uint32_t below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % below;
}
