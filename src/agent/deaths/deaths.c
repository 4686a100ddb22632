/* deaths.c - see deaths.h.
 *
 * An entry's life: made when a client is seen alive, or when it is asked about; dead when its pidfd
 * says so; forgotten KEEP_S after the spool last spoke of it. Its answer is kept, since a record
 * that could not be stored comes again. */
#include "agent/deaths/deaths.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/deaths/pidfd.h"
#include "agent/deaths/proc.h"
#include "base/clock.h"
#include "base/fd.h"

enum {
    KEEP_S = 60,
    LOOK_EVERY_MS = 50,
    TIMES_REST = 20,
    FD_SHARE = 8,
    /* Of each user so many new clients are tried at a look, so that one with very many does not
     * keep the others waiting. Users share a count when their numbers say so. */
    N_USERS = 64,
    TRIES = 32,
    HOLD_S = 60, /* a main thread that ended before the others looks like an end too */
};

struct victims {
    int64_t in_cgroup, on_host;
};

struct entry {
    uint64_t file_id; /* of the slot */
    pid_t pid;
    uid_t uid;
    uint64_t start_ticks; /* in the slot; 0: it did not know */
    uint64_t real_ticks;  /* in /proc */
    int fd;               /* pidfd */
    int was_seen_alive;
    uint64_t seen_ns;  /* monotonic: when the spool last spoke of it */
    uint64_t asked_ns; /* when it was first asked about; 0 never */
    uint64_t dead_wall_ns;
    int has_answer;
    struct tb_death answer;
    /* Victims of the OOM killer, -1 unknown: those before now are none of this one, which lived at
     * the look after. */
    struct victims before, now;
    uint64_t held_ns; /* since when they are left as they are, as it is ending; 0: it is not */
    char oom_path[TB_PROC_PATH];
};

struct tb_deaths {
    struct tb_spool *spool;
    uint64_t patience_ns;
    size_t n, cap;
    struct entry *entries;     /* cap of them */
    unsigned n_tried[N_USERS]; /* at this look */
    int has_richest;           /* the next two are known */
    uid_t richest;             /* of the users the one with the most entries */
    size_t richest_n;
    uint64_t now_ns, looked_ns, next_look_ns;
    const char *oom_path; /* of the host's */
    int64_t oom_host;
};

int tb_deaths_new(struct tb_spool *spool, uint64_t patience_ns, struct tb_deaths **out)
{
    struct rlimit files;
    struct tb_deaths *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return -ENOMEM;
    w->spool = spool;
    w->patience_ns = patience_ns;
    w->oom_path = TB_PROC_OOM_HOST;
    w->oom_host = -1;
    w->cap = TB_DEATHS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / FD_SHARE < w->cap)
        w->cap = files.rlim_cur / FD_SHARE;
    w->entries = calloc(w->cap > 0 ? w->cap : 1, sizeof(*w->entries));
    if (w->entries == NULL) {
        free(w);
        return -ENOMEM;
    }
    *out = w;
    return 0;
}

void tb_deaths_free(struct tb_deaths *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->n; i++)
        tb_fd_close(&w->entries[i].fd);
    free(w->entries);
    free(w);
}

size_t tb_deaths_count(const struct tb_deaths *w)
{
    return w->n;
}

void tb_deaths_count_victims_in(struct tb_deaths *w, const char *path)
{
    w->oom_path = path;
}

/* ---- entries ---- */

static struct entry *find(struct tb_deaths *w, const struct tb_spool_client *client)
{
    for (size_t i = 0; i < w->n; i++) {
        struct entry *e = &w->entries[i];
        if (e->file_id == client->file_id && e->pid == client->pid && e->uid == client->uid &&
            e->start_ticks == client->start_ticks)
            return e;
    }
    return NULL;
}

static void forget(struct tb_deaths *w, size_t i)
{
    tb_fd_close(&w->entries[i].fd);
    w->entries[i] = w->entries[--w->n];
    w->has_richest = 0;
}

static size_t count_of(const struct tb_deaths *w, uid_t uid)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++)
        n += w->entries[i].uid == uid;
    return n;
}

/* Who has the most places, unless all are one user's: -1 where nobody has two more than uid. The
 * answer is remembered until somebody's number changes: clients may be very many. */
static int64_t richest_beside(struct tb_deaths *w, uid_t uid)
{
    if (!w->has_richest) {
        w->richest_n = 0;
        for (size_t i = 0; i < w->n; i++) {
            size_t n = count_of(w, w->entries[i].uid);
            if (n > w->richest_n) {
                w->richest_n = n;
                w->richest = w->entries[i].uid;
            }
        }
        w->has_richest = 1;
    }
    return w->richest != uid && w->richest_n > count_of(w, uid) + 1 ? (int64_t)w->richest : -1;
}

/* Makes room for one more of that user: of the one that the spool has not spoken of for longest; if
 * all lived at the last look, of the last one of who has more of them. 0 where nobody has. */
static int make_room(struct tb_deaths *w, uid_t uid)
{
    size_t oldest = 0;
    if (w->n < w->cap)
        return 1;
    for (size_t i = 1; i < w->n; i++)
        oldest = w->entries[i].seen_ns < w->entries[oldest].seen_ns ? i : oldest;
    if (w->n > 0 && w->entries[oldest].seen_ns < w->looked_ns) {
        forget(w, oldest);
        return 1;
    }
    int64_t richest = richest_beside(w, uid);
    for (size_t i = w->n; i-- > 0 && richest >= 0;) {
        if ((int64_t)w->entries[i].uid != richest)
            continue;
        forget(w, i);
        return 1;
    }
    return 0;
}

/* One that does not know its start (chroot) is the one with that number that was there before. */
static int is_start(const struct tb_spool_client *client, uint64_t ticks)
{
    return client->start_ticks != 0 ? client->start_ticks == ticks
                                    : tb_proc_began_before(ticks, client->created_mono_ns);
}

/* 0 when the process that fd stands for is the client; its start as /proc has it. */
static int verify(const struct tb_spool_client *client, uint64_t *ticks)
{
    struct tb_proc proc;
    int err = tb_proc_read(client->pid, &proc);
    if (err)
        return err;
    *ticks = proc.start_ticks;
    /* One that was root when it made its slot may be anybody by now. */
    int is_owners = client->uid == 0 || tb_proc_has_uid(client->pid, client->uid);
    return is_start(client, proc.start_ticks) && is_owners ? 0 : -ESRCH;
}

/* Is that why now only? */
static int may_pass(int err)
{
    return err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

/* -ESRCH when it is not there or another, or an error that may pass. There is room. The descriptor
 * comes first: should the process end meanwhile and its number be given away, what is checked is
 * another one's. */
static int add(struct tb_deaths *w, const struct tb_spool_client *client, struct entry **out)
{
    uint64_t ticks = 0;
    if (!client->is_this_boot || client->pid <= 0)
        return -ESRCH;
    int fd = tb_pidfd_open(client->pid);
    int err = fd < 0 ? fd : verify(client, &ticks);
    if (err < 0) {
        tb_fd_close(&fd);
        return may_pass(err) ? err : -ESRCH;
    }
    struct entry *e = &w->entries[w->n++];
    w->has_richest = 0;
    memset(e, 0, sizeof(*e));
    e->file_id = client->file_id;
    e->pid = client->pid;
    e->uid = client->uid;
    e->start_ticks = client->start_ticks;
    e->real_ticks = ticks;
    e->fd = fd;
    e->seen_ns = w->now_ns;
    tb_proc_oom_path(client->pid, e->oom_path);
    e->now = (struct victims){.in_cgroup = tb_proc_oom(e->oom_path), .on_host = w->oom_host};
    e->before = e->now;
    *out = e;
    return 0;
}

/* ---- looking ---- */

/* False when its process is none that can be seen: it is not tried again. */
static bool meet(void *arg, const struct tb_spool_client *client)
{
    struct tb_deaths *w = arg;
    struct entry *e = find(w, client);
    if (e == NULL) {
        unsigned *n_tried = &w->n_tried[client->uid % N_USERS];
        if (*n_tried >= TRIES || !make_room(w, client->uid))
            return true;
        ++*n_tried;
        int err = add(w, client, &e);
        if (err < 0)
            return may_pass(err);
    }
    e->seen_ns = w->now_ns;
    e->was_seen_alive = 1;
    return true;
}

/* The counters of the OOM killer move before its victim knows, and tearing down one of gigabytes
 * takes seconds: what was counted at this look may be this one's until it lives at the next. */
static void count_victims(struct tb_deaths *w, struct entry *e, int oom_has_run)
{
    struct tb_proc proc;
    int is_same = !oom_has_run && e->before.on_host == e->now.on_host &&
                  e->before.in_cgroup == e->now.in_cgroup;
    if (is_same)
        return;
    if (tb_proc_read(e->pid, &proc) != 0 || proc.is_ending) {
        if (e->held_ns == 0)
            e->held_ns = w->now_ns;
        if (w->now_ns - e->held_ns < (uint64_t)HOLD_S * TB_NS_PER_S)
            return;
    }
    e->held_ns = 0;
    e->before = e->now;
    e->now.on_host = w->oom_host;
    e->now.in_cgroup = tb_proc_oom(e->oom_path);
}

static void see(struct tb_deaths *w, struct entry *e, int oom_has_run)
{
    int status;
    if (e->dead_wall_ns != 0)
        return;
    if (tb_pidfd_ask(e->fd, &status) != TB_PIDFD_LIVES)
        e->dead_wall_ns = tb_clock_wall_ns();
    else
        count_victims(w, e, oom_has_run);
}

int tb_deaths_look(struct tb_deaths *w)
{
    w->now_ns = tb_clock_mono_ns();
    if (w->now_ns < w->next_look_ns)
        return 1 + (int)((w->next_look_ns - w->now_ns) / TB_NS_PER_MS);
    int64_t before = w->oom_host;
    w->oom_host = tb_proc_oom(w->oom_path);
    for (size_t i = 0; i < w->n; i++)
        see(w, &w->entries[i], w->oom_host != before);
    memset(w->n_tried, 0, sizeof(w->n_tried));
    tb_spool_clients(w->spool, meet, w);
    for (size_t i = w->n; i-- > 0;) {
        if (w->now_ns - w->entries[i].seen_ns > (uint64_t)KEEP_S * TB_NS_PER_S)
            forget(w, i);
    }
    w->looked_ns = w->now_ns;
    uint64_t end_ns = tb_clock_mono_ns();
    uint64_t rest_ns = (end_ns - w->now_ns) * TIMES_REST;
    uint64_t least_ns = (uint64_t)LOOK_EVERY_MS * TB_NS_PER_MS;
    w->next_look_ns = end_ns + (rest_ns > least_ns ? rest_ns : least_ns);
    return 0;
}

/* ---- asking ---- */

static void take_status(int status, struct tb_death *out)
{
    out->how = WIFSIGNALED(status) ? TB_DEATH_SIGNALED : TB_DEATH_EXITED;
    out->signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    out->has_core = WIFSIGNALED(status) && WCOREDUMP(status);
}

static int is_more(int64_t now, int64_t before)
{
    return before >= 0 && now > before;
}

static void take_oom(const struct tb_deaths *w, const struct entry *e, struct tb_death *out)
{
    out->oom_in_cgroup = is_more(tb_proc_oom(e->oom_path), e->before.in_cgroup);
    out->oom_on_host = is_more(tb_proc_oom(w->oom_path), e->before.on_host);
}

/* What is known now: 0, or -EAGAIN when more may be known later. */
static int examine(const struct entry *e, struct tb_death *out)
{
    struct tb_proc proc = {0};
    int status = 0;
    enum tb_pidfd_end end = tb_pidfd_ask(e->fd, &status);
    if (end == TB_PIDFD_KNOWN) {
        take_status(status, out);
        return 0;
    }
    int is_there = tb_proc_read(e->pid, &proc) == 0 && proc.start_ticks == e->real_ticks;
    if (end == TB_PIDFD_LIVES && is_there && !proc.is_ending) {
        out->how = TB_DEATH_EXEC;
        return 0;
    }
    /* Told to the same user and to root only. 0 may mean that this one may not know. */
    if (end != TB_PIDFD_LIVES && is_there && proc.exit_code != 0) {
        take_status(proc.exit_code, out);
        return 0;
    }
    out->why = end == TB_PIDFD_SILENT ? TB_DEATH_OLD_KERNEL : TB_DEATH_NOT_REAPED;
    return end == TB_PIDFD_SILENT ? 0 : -EAGAIN;
}

int tb_deaths_ask(struct tb_deaths *w, const struct tb_spool_record *record, struct tb_death *out)
{
    struct tb_spool_client client = {.file_id = record->file_id,
                                     .uid = record->uid,
                                     .pid = record->pid,
                                     .start_ticks = record->start_ticks,
                                     .created_mono_ns = record->created_mono_ns,
                                     .is_this_boot = record->is_this_boot};
    memset(out, 0, sizeof(*out));
    out->found_wall_ns = tb_clock_wall_ns();
    w->now_ns = tb_clock_mono_ns();
    if (!record->is_this_boot && record->names_boot) {
        out->how = TB_DEATH_OTHER_BOOT;
        return 0;
    }
    struct entry *e = find(w, &client);
    if (e == NULL && make_room(w, record->uid))
        (void)add(w, &client, &e);
    if (e == NULL) {
        out->oom_on_host = is_more(tb_proc_oom(w->oom_path), w->oom_host);
        return 0;
    }
    e->seen_ns = w->now_ns;
    if (e->has_answer) {
        *out = e->answer;
        return 0;
    }
    if (e->asked_ns == 0)
        e->asked_ns = w->now_ns;
    if (e->dead_wall_ns == 0)
        e->dead_wall_ns = tb_clock_wall_ns();
    if (examine(e, out) != 0 && w->now_ns - e->asked_ns < w->patience_ns)
        return -EAGAIN;
    out->was_watched = e->was_seen_alive;
    out->found_wall_ns = e->dead_wall_ns;
    out->noticed_wall_ns = e->was_seen_alive ? e->dead_wall_ns : 0;
    if (out->how == TB_DEATH_UNKNOWN || out->signo == SIGKILL)
        take_oom(w, e, out);
    e->answer = *out;
    e->has_answer = 1;
    return 0;
}
