/* open.c - opening and closing the database, and making what it holds durable.
 *
 * 1. The database file is never opened by anything but SQLite once it is there: closing another
 *    descriptor of it would drop SQLite's locks in this process (POSIX).
 * 2. The folder is made with mode 0700 and the file with 0600, and SQLite gives its -wal and -shm
 *    files the mode of the database. A folder that is there already keeps its mode.
 * 3. WAL with synchronous=NORMAL: a commit survives the death of every process; tb_store_sync makes
 *    it survive the loss of power. */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUSY_MS = 5000, /* another handle's transaction is over long before */
    WAL_WAIT_MS = 5,
    WAL_KEEP_BYTES = 64 << 20, /* a longer -wal file is cut after a checkpoint */
};

static int folder_fail(struct tb_store *store, const char *folder, int err)
{
    const char *cure = err == -ENOSPC || err == -EDQUOT
                           ? "free some space on that disk"
                           : "give --state-dir a folder that this user may write to";
    tb_store_say(store, "state folder %.240s: %s; %s", folder, strerrordesc_np(-err), cure);
    return err;
}

/* mkdir -p, each new folder 0700. */
static int make_folder(const char *folder)
{
    char path[PATH_MAX];
    size_t len = strnlen(folder, sizeof(path));
    if (len == 0)
        return -EINVAL;
    if (len >= sizeof(path))
        return -ENAMETOOLONG;
    memcpy(path, folder, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        char end = path[i];
        path[i] = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return -errno;
        path[i] = end;
    }
    struct stat st;
    if (stat(path, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* Makes an empty database file with mode 0600 unless there is one. */
static int make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? 0 : -errno;
    close(fd);
    return 0;
}

static int prepare_place(struct tb_store *store, const char *folder)
{
    int err;
    if (store->mode == TB_STORE_WRITE) {
        if ((err = make_folder(folder)) || (err = make_file(store->path)))
            return folder_fail(store, folder, err);
        return 0;
    }
    struct stat st;
    if (stat(store->path, &st) == 0)
        return 0;
    if (errno != ENOENT && errno != ENOTDIR)
        return folder_fail(store, folder, -errno);
    tb_store_say(store,
                 "no database in %.240s yet: towbard makes it when it runs with that --state-dir",
                 folder);
    return -ENOENT;
}

/* WAL is a property of the file, set while it is still empty. SQLite does not wait for the lock
 * this takes when another program is making the same database at the same time. */
static int use_wal(struct tb_store *store)
{
    int rc = SQLITE_BUSY;
    for (int waited_ms = 0; waited_ms < BUSY_MS && rc == SQLITE_BUSY; waited_ms += WAL_WAIT_MS) {
        rc = sqlite3_exec(store->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if (rc == SQLITE_BUSY)
            (void)sqlite3_sleep(WAL_WAIT_MS);
    }
    return rc;
}

/* The settings of a handle. */
static int configure(struct tb_store *store)
{
    /* temp_store: there may be no folder for temporary files that the agent may write to. */
    static const char BOTH[] = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                               "PRAGMA temp_store = MEMORY;";
    char writer[96];
    (void)snprintf(writer, sizeof(writer),
                   "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = %d", WAL_KEEP_BYTES);
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    int rc = sqlite3_exec(store->db, BOTH, NULL, NULL, NULL);
    if (rc == SQLITE_OK && store->mode == TB_STORE_WRITE)
        rc = use_wal(store);
    if (rc == SQLITE_OK && store->mode == TB_STORE_WRITE)
        rc = sqlite3_exec(store->db, writer, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : tb_store_fail(store, rc);
}

/* SQLite's count of its memory is looked at by nobody, and costs a lock with each malloc. It can be
 * told so before its first use only; later it says no, and goes on counting. */
static void count_no_memory(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int open_handle(struct tb_store *store)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, count_no_memory);
    int flags = store->mode == TB_STORE_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    int rc = sqlite3_open_v2(store->path, &store->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(store->db, store->busy_ms);
    return rc == SQLITE_OK ? 0 : tb_store_fail(store, rc);
}

int tb_store_open_database(struct tb_store *store, const char *folder)
{
    int err;
    /* Whose file it is comes before the settings: they would write to a stranger's. */
    if ((err = prepare_place(store, folder)) || (err = open_handle(store)) ||
        (err = tb_store_identify(store)) || (err = configure(store)) ||
        (err = tb_store_migrate(store)))
        return err;
    tb_store_remember(store);
    return 0;
}

void tb_store_close_database(struct tb_store *store)
{
    for (size_t i = 0; i < TB_N_STATEMENTS; i++) {
        (void)sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
    (void)sqlite3_close(store->db);
    store->db = NULL;
}

int tb_store_open(const char *state_dir, enum tb_store_mode mode, struct tb_store **out,
                  char why[TB_STORE_WHY])
{
    struct tb_store *store = calloc(1, sizeof(*store));
    if (!store) {
        (void)snprintf(why, TB_STORE_WHY, "out of memory");
        return -ENOMEM;
    }
    store->mode = mode;
    store->busy_ms = BUSY_MS;
    int err;
    int len = snprintf(store->path, sizeof(store->path), "%s/towbar.db", state_dir);
    if (len < 0 || (size_t)len >= sizeof(store->path)) {
        err = folder_fail(store, "(too long)", -ENAMETOOLONG);
        goto out;
    }
    if ((err = tb_store_open_database(store, state_dir)))
        goto out;
    *out = store;
    return 0;
out:
    memcpy(why, store->error, TB_STORE_WHY);
    tb_store_close(store);
    return err;
}

void tb_store_close(struct tb_store *store)
{
    if (!store)
        return;
    tb_store_close_database(store);
    free(store);
}

void tb_store_shrink(struct tb_store *store)
{
    (void)sqlite3_db_release_memory(store->db);
}

void tb_store_busy(struct tb_store *store, int ms)
{
    store->busy_ms = ms;
    (void)sqlite3_busy_timeout(store->db, ms); /* fails for a bad handle only */
}

const char *tb_store_error(const struct tb_store *store)
{
    return store->error;
}

int tb_store_sync(struct tb_store *store)
{
    /* What is not in the database file yet is in the -wal file. SQLite hands out its own
     * descriptor of that; a checkpoint would do too, but costs a second copy. */
    sqlite3_file *wal = NULL;
    int rc = sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
    if (rc == SQLITE_OK && wal && wal->pMethods)
        rc = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
    return rc == SQLITE_OK ? 0 : tb_store_fail(store, rc);
}
