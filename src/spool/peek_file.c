/* peek_file.c - one file of a spool: what it is and what its header says, see peek.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/pack.h"
#include "spool/peek_state.h"
#include "spool/slot.h"

void tb_peek_say(struct tb_peek_file *file, enum tb_peek_state state, const char *why)
{
    file->state = state;
    snprintf(file->why, sizeof(file->why), "%s", why);
}

static void refuse_by_kind(struct tb_peek_file *file, const struct stat *st)
{
    if (S_ISLNK(st->st_mode))
        tb_peek_say(file, TB_PEEK_REFUSED, "a symbolic link: never followed");
    else if (S_ISDIR(st->st_mode))
        tb_peek_say(file, TB_PEEK_REFUSED, "a folder: no program makes one here");
    else if (!S_ISREG(st->st_mode))
        tb_peek_say(file, TB_PEEK_REFUSED, "a pipe, socket or device: never opened");
    else if (st->st_nlink != 1)
        tb_peek_say(file, TB_PEEK_REFUSED, "it has other names too (hard links)");
    else
        tb_peek_say(file, TB_PEEK_REFUSED, "it cannot be opened");
}

/* What can be said without opening it: 0 when it is worth that, else its state is final. */
static int look_from_outside(struct tb_peek_file *file, int dirfd)
{
    struct stat st;
    int kind = TB_FILE_SEGMENT;
    if (fstatat(dirfd, file->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    file->uid = st.st_uid;
    file->size = (uint64_t)st.st_size;
    file->bytes = (uint64_t)st.st_blocks * 512;
    file->mtime_ns = (uint64_t)st.st_mtim.tv_sec * TB_NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
    file->class_ = tb_spool_name_parse(file->name, &kind);
    file->is_slot = kind == TB_FILE_SLOT;
    file->is_more = kind == TB_FILE_MORE;
    refuse_by_kind(file, &st);
    if (file->class_ >= 0)
        return 0;
    size_t len = strlen(file->name);
    if (file->in_quarantine && len > 7 && strcmp(file->name + len - 7, ".record") == 0)
        tb_peek_say(file, TB_PEEK_OLD, "");
    else if (S_ISREG(st.st_mode) && st.st_nlink == 1)
        tb_peek_say(file, TB_PEEK_REFUSED, "no program of ours gives such a name");
    return -EPERM;
}

/* What reading the header came to. */
static void take_attach(struct tb_peek_file *file, int err)
{
    char text[128];
    char why[TB_PEEK_WHY];
    if (err == -EAGAIN && !file->in_quarantine)
        tb_peek_say(file, TB_PEEK_WAITING, "its header is not written yet");
    else if (err == -ENODATA)
        tb_peek_say(file, TB_PEEK_EMPTY, "nothing was ever written to it");
    else if (err == -EBADMSG || err == -EAGAIN)
        tb_peek_say(file, TB_PEEK_DAMAGED, "the file header is damaged or not one of a spool file");
    else if (err == -EPROTONOSUPPORT)
        tb_peek_say(file, TB_PEEK_REFUSED, "it is of a version that this program does not know");
    else if (err == -EPERM)
        tb_peek_say(file, TB_PEEK_REFUSED,
                    "longer than any file of a spool, and without its header");
    else {
        snprintf(why, sizeof(why), "it cannot be read: %s", strerror_r(-err, text, sizeof(text)));
        tb_peek_say(file, TB_PEEK_REFUSED, why);
    }
}

static void read_slot_words(struct tb_peek *peek, struct tb_peek_file *file)
{
    uint8_t words[8 + 4 * TB_N_CLASSES] = {0};
    if (!file->is_slot ||
        tb_fd_pread_all(peek->visit.scan.fd, words, sizeof(words), TB_SLOT_STATE_AT) < 0)
        return;
    file->slot_state = tb_get32(words);
    for (int i = 0; i < TB_N_CLASSES; i++)
        file->drops[i] = tb_get32(words + 8 + (size_t)4 * i);
}

static int kind_of(const struct tb_peek_file *file)
{
    if (file->is_more)
        return TB_FILE_MORE;
    return file->is_slot ? TB_FILE_SLOT : TB_FILE_SEGMENT;
}

/* Other threads without a crash that they belong to are nobody's. */
static void look_for_slot(struct tb_peek_file *file, int dirfd)
{
    char name[TB_SPOOL_NAME];
    struct stat st;
    if (tb_spool_name_beside(file->name, "slot", name) == 0 &&
        fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == file->uid)
        return;
    tb_peek_say(file, TB_PEEK_REFUSED, "threads of a crash that is not here");
    file->was_mended = false; /* nothing of it counts */
}

int tb_peek_enter(struct tb_peek *peek, struct tb_peek_file *file, struct tb_source **out)
{
    uint64_t n_mended = 0;
    int dirfd = file->in_quarantine ? peek->quarantine_fd : peek->in_fd;
    int err = look_from_outside(file, dirfd);
    if (err < 0)
        return err;
    struct tb_source *source =
        tb_source_new(file->name, file->class_, kind_of(file), tb_clock_mono_ns());
    if (!source)
        return -ENOMEM;
    if ((err = tb_source_enter(source, dirfd, &peek->visit)) < 0) {
        tb_source_free(source);
        return err == -ENOENT ? err : -EPERM;
    }
    file->alive = peek->visit.alive;
    err = tb_source_attach(source, &peek->visit, &n_mended);
    if (err < 0) {
        take_attach(file, err);
        tb_source_leave(&peek->visit);
        tb_source_free(source);
        return -EPERM;
    }
    tb_peek_say(file, file->alive ? TB_PEEK_LIVE : TB_PEEK_COMPLETE, "");
    file->has_header = true;
    file->was_mended = n_mended > 0;
    file->header = source->header;
    file->class_ = source->class_;
    read_slot_words(peek, file);
    if (file->is_more)
        look_for_slot(file, dirfd);
    *out = source;
    return 0;
}
