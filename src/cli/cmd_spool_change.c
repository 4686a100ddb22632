/* cmd_spool_change.c - towbar spool retry and rm: the only verbs that change a spool.
 *
 * Both work beside a running agent: a move or removal is one step, and the agent takes it as it
 * finds it. What was done is said for each name; what was not, with the reason and the cure. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/spool.h"
#include "spool/quarantine.h"

struct change {
    int in_fd, agent_fd;
    uint64_t n_done, n_failed;
};

/* ---- telling ---- */

static int tell(const struct tb_look *look, const struct tb_peek_file *file, struct change *change,
                bool is_done, const char *format, ...) __attribute__((format(printf, 5, 6)));

static int tell(const struct tb_look *look, const struct tb_peek_file *file, struct change *change,
                bool is_done, const char *format, ...)
{
    char text[TB_SPOOL_TEXT];
    char name[TB_SPOOL_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    change->n_done += is_done;
    change->n_failed += !is_done;
    if (look->cli->json) {
        char line[8 << 10];
        struct tb_json j;
        tb_json_init(&j, line, sizeof(line));
        tb_json_object(&j);
        tb_json_kstr(&j, "name", file->name);
        tb_json_kbool(&j, "done", is_done);
        tb_json_kstr(&j, is_done ? "what" : "why", text);
        tb_json_end(&j);
        (void)tb_json_finish(&j);
        puts(line);
    } else if (is_done) {
        printf("%s: %s\n", tb_spool_escape(file->name, name), text);
    } else {
        fprintf(stderr, "towbar: %s: %s\n", tb_spool_escape(file->name, name), text);
    }
    return is_done ? TB_EXIT_WELL : TB_EXIT_WRONG;
}

static int tell_error(const struct tb_look *look, const struct tb_peek_file *file,
                      struct change *change, int err)
{
    const char *cure = "";
    if (err == -EACCES || err == -EPERM)
        cure = "; only root and the user that runs towbard may do that (sudo -u USER)";
    else if (err == -EROFS)
        cure = "; the file system is read-only";
    else if (err == -EISDIR)
        cure = "; remove a folder with rm -r";
    if (err == -ENOENT)
        return tell(look, file, change, false, "it is gone by now");
    if (err == -EBUSY)
        return tell(look, file, change, false, "its process came to life just now");
    return tell(look, file, change, false, "%s%s", strerror(-err), cure);
}

/* ---- retry ---- */

static int retry_one(struct tb_look *look, struct tb_peek_file *file, void *arg)
{
    struct change *change = arg;
    const struct tb_peek_agent *agent = tb_peek_agent(look->peek);
    if (!file->in_quarantine)
        return look->cli->all ? TB_EXIT_WELL
                              : tell(look, file, change, false,
                                     "it is not in quarantine, so the agent reads it already");
    int err = tb_quarantine_retry(change->agent_fd, change->in_fd, file->name);
    if (err == -EPROTONOSUPPORT && file->state == TB_PEEK_OLD)
        return tell(look, file, change, false,
                    "an earlier version kept its payload alone, without what a reader needs: it "
                    "cannot be put back; 'spool show' prints it, 'spool rm' removes it");
    if (err == -EPROTONOSUPPORT)
        return tell(look, file, change, false,
                    "it has no name of a spool file, so the agent would not read it; move it away");
    if (err == -EEXIST)
        return tell(look, file, change, false,
                    "the spool has a file of that name; try again when the agent has taken it in");
    if (err < 0)
        return tell_error(look, file, change, err);
    return tell(look, file, change, true, "back in the spool; %s",
                agent->is_running ? "the agent takes it in within a second"
                                  : "start towbard, which takes it in");
}

/* ---- rm ---- */

/* Why a file of in/ must not go now; NULL when it may. */
static const char *why_not(const struct tb_look *look, const struct tb_peek_file *file)
{
    if (file->alive)
        return "its process lives and writes to it; end that first";
    if (file->state == TB_PEEK_WAITING)
        return "it may be just being made; try again in 5 seconds";
    if (look->cli->force)
        return NULL;
    if (file->is_more && file->state == TB_PEEK_COMPLETE)
        return "it belongs to the slot of that name and goes with it";
    if (file->state == TB_PEEK_REFUSED || file->state == TB_PEEK_DAMAGED)
        return "what is in it cannot be read by this program; --force removes it all the same";
    return NULL;
}

/* Removes it as it was looked at. Who made it may have stood still before it took its lock: under
 * ours it cannot have that any more, and makes another file. */
static int unlink_unchanged(int in_fd, const struct tb_peek_file *file)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    struct stat st;
    char more[TB_SPOOL_NAME];
    int err = 0;
    int fd = -1;
    /* What the agent would not open is not opened here: links, pipes, devices. */
    if (file->class_ >= 0 && file->state != TB_PEEK_REFUSED)
        fd = openat(in_fd, file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool is_file = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (is_file && (fcntl(fd, F_OFD_SETLK, &lock) < 0 || fstat(fd, &st) < 0 ||
                    (uint64_t)st.st_size != file->size))
        err = -EBUSY;
    else if (unlinkat(in_fd, file->name, 0) < 0)
        err = -errno;
    if (err == 0 && file->is_slot && tb_spool_name_beside(file->name, "more", more) == 0)
        (void)unlinkat(in_fd, more, 0); /* most have none */
    tb_fd_close(&fd);
    return err;
}

static int rm_from_in(struct tb_look *look, struct tb_peek_file *file, struct change *change)
{
    int err = tb_peek_walk(look->peek, file, NULL, NULL);
    if (err == -ENOENT && file->is_more)
        return tell(look, file, change, true, "it went with its slot");
    if (err < 0)
        return tell_error(look, file, change, err);
    const char *why = why_not(look, file);
    uint64_t n_pending = file->n_records - file->n_acked;
    if (why)
        return tell(look, file, change, false, "%s", why);
    if (n_pending > 0 && !look->cli->force)
        return tell(look, file, change, false,
                    "%" PRIu64 " record%s in it nobody has yet; 'spool cat' shows them, --force "
                    "removes them all the same",
                    n_pending, n_pending == 1 ? "" : "s");
    if ((err = unlink_unchanged(change->in_fd, file)) < 0)
        return tell_error(look, file, change, err);
    if (n_pending > 0)
        return tell(look, file, change, true, "removed, with %" PRIu64 " record%s that nobody had",
                    n_pending, n_pending == 1 ? "" : "s");
    return tell(look, file, change, true, "removed");
}

static int rm_one(struct tb_look *look, struct tb_peek_file *file, void *arg)
{
    struct change *change = arg;
    if (!file->in_quarantine)
        return look->cli->all ? TB_EXIT_WELL : rm_from_in(look, file, change);
    int err = tb_quarantine_remove(change->agent_fd, file->name);
    if (err < 0)
        return tell_error(look, file, change, err);
    return tell(look, file, change, true, "removed from quarantine");
}

/* ---- both ---- */

static int open_folder(const char *spool, const char *name)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/%s", spool, name);
    if (n < 0 || n >= (int)sizeof(path))
        return -ENAMETOOLONG;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int run(struct tb_look *look, bool is_retry)
{
    struct change change = {.in_fd = open_folder(look->path, "in"),
                            .agent_fd = open_folder(look->path, "agent")};
    int code = TB_EXIT_WELL;
    if (change.in_fd < 0) {
        fprintf(stderr, "towbar: %s/in: %s\n", look->path, strerror(-change.in_fd));
        code = TB_EXIT_WRONG;
    } else {
        code = tb_spool_select(look, true, is_retry ? retry_one : rm_one, &change);
    }
    const struct tb_peek_agent *agent = tb_peek_agent(look->peek);
    bool is_unknown = !agent->is_known && agent->err != -ENOENT;
    if (look->cli->all && is_unknown)
        code = TB_EXIT_WRONG; /* said below */
    else if (look->cli->all && !look->cli->json && change.n_done + change.n_failed == 0)
        printf("Nothing is in quarantine.\n");
    if (change.in_fd >= 0)
        tb_fd_close(&change.in_fd);
    if (change.agent_fd >= 0)
        tb_fd_close(&change.agent_fd);
    tb_spool_say_unknown_acks(look);
    return code;
}

int tb_spool_retry(struct tb_look *look)
{
    return run(look, true);
}

int tb_spool_rm(struct tb_look *look)
{
    return run(look, false);
}
