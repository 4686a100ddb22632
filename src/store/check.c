/* check.c - is the database still what was opened? Asked before what was committed is acknowledged.
 *
 * SQLite goes on writing to a file that has lost its name, and its page cache does not notice that
 * somebody wrote over the file: what is committed then is gone when the process ends.
 * 1. A database that was moved or deleted is closed and the one at its path opened, or a new one
 *    made. Nothing at the path is removed: the -wal file there may be another database's by now.
 * 2. A -wal file that was taken away cannot be followed while other handles use the old one: then
 *    only a restart helps, which puts what is in the old one into the database.
 * 3. While none can be opened the handle holds an empty one in memory, in which every statement
 *    fails. */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The inode of the -wal file, 0 when there is none. */
static uint64_t wal_inode(const struct tb_store *store)
{
    char path[PATH_MAX + 8];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s-wal", store->path);
    return stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

void tb_store_remember(struct tb_store *store)
{
    store->wal_inode = wal_inode(store);
}

static int has_moved(struct tb_store *store)
{
    int moved = 0;
    if (store->is_lost)
        return 1;
    if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
        moved)
        return 1;
    return 0;
}

/* It is made at the first need, and then stays as long as a handle is open. */
static int has_lost_wal(struct tb_store *store)
{
    if (store->wal_inode == 0)
        tb_store_remember(store);
    return wal_inode(store) != store->wal_inode;
}

/* The first bytes of a database: its name, and numbers that never change. */
static int is_whole(struct tb_store *store)
{
    static const uint8_t magic[16] = "SQLite format 3";
    static const uint8_t fractions[3] = {64, 32, 32};
    uint8_t head[24] = {0};
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc != SQLITE_OK || !file || !file->pMethods)
        return 1;
    rc = file->pMethods->xRead(file, head, sizeof(head), 0);
    return (rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ) &&
           memcmp(head, magic, sizeof(magic)) == 0 &&
           memcmp(head + 21, fractions, sizeof(fractions)) == 0;
}

/* What was committed must be in the file that was moved, not in a -wal file that stayed behind: the
 * database that comes to the old path would throw that away. */
static void let_go(struct tb_store *store)
{
    int keep = 1;
    (void)sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    (void)sqlite3_file_control(store->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    tb_store_close_database(store);
}

static int open_again(struct tb_store *store)
{
    char folder[PATH_MAX];
    (void)snprintf(folder, sizeof(folder), "%.*s",
                   (int)(strlen(store->path) - strlen("/towbar.db")), store->path);
    let_go(store);
    int err = tb_store_open_database(store, folder);
    if (err == 0) {
        store->is_lost = 0;
        tb_store_say(store,
                     "database %.240s was moved or deleted while it was open; the one that is "
                     "there now is used",
                     store->path);
        return 1;
    }
    tb_store_close_database(store);
    store->is_lost = 1;
    (void)sqlite3_open(":memory:", &store->db);
    return err;
}

int tb_store_check(struct tb_store *store)
{
    if (has_moved(store))
        return open_again(store);
    if (has_lost_wal(store)) {
        tb_store_say(store,
                     "database %.240s: its -wal file was moved or deleted: restart towbard, which "
                     "puts what was in it into the database; the spool keeps what comes meanwhile",
                     store->path);
        return -ESTALE;
    }
    if (is_whole(store))
        return 0;
    tb_store_say(
        store,
        "database %.240s: somebody wrote over its beginning: put a good copy back, or move "
        "it aside together with its -wal and -shm files, and towbard makes a new one; the "
        "spool keeps what comes meanwhile",
        store->path);
    return -EBADMSG;
}
