/* spool.c - which spool the library writes to: what the host says, what the environment says, the
 * system's if this user may write there, else the user's own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/lib.h"
#include "spool/dir.h"

#define SYSTEM_SPOOL "/var/spool/towbar"

/* May this user write into the system's spool? 0, or why not. */
static int ask_system(void)
{
    struct stat st;
    if (stat(SYSTEM_SPOOL "/in", &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    return faccessat(AT_FDCWD, SYSTEM_SPOOL "/in", W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* 0, or -ENAMETOOLONG. */
static int join(char out[TB_LIB_PATH], const char *folder, const char *rest)
{
    int n = snprintf(out, TB_LIB_PATH, "%s%s", folder, rest);
    return n < 0 || n >= TB_LIB_PATH ? -ENAMETOOLONG : 0;
}

/* The state folder of this user (XDG Base Directory Specification), since the system's spool could
 * not be had: system_err. A system's spool that is there and closed is told of in why. */
static int choose_own(int system_err, char why[TB_LIB_WHY])
{
    const char *state = secure_getenv("XDG_STATE_HOME");
    const char *home = secure_getenv("HOME");
    char closed[TB_LIB_WHY / 2] = "there is no " SYSTEM_SPOOL "/in";
    if (system_err != -ENOENT)
        (void)snprintf(closed, sizeof(closed),
                       SYSTEM_SPOOL "/in cannot be written to by this user: %s",
                       strerrordesc_np(-system_err));
    if ((!state || state[0] != '/') && (!home || home[0] != '/')) {
        (void)snprintf(why, TB_LIB_WHY,
                       "no spool: %s, and neither XDG_STATE_HOME nor HOME is set; start towbard as "
                       "root, which makes that folder and opens it to all users, or set "
                       "TOWBAR_SPOOL",
                       closed);
        return system_err;
    }
    if (system_err != -ENOENT)
        (void)snprintf(why, TB_LIB_WHY,
                       "%s; start towbard as root, which opens it to all users, and then this "
                       "program again, or start towbard as this user",
                       closed);
    if (state && state[0] == '/')
        return join(tb_lib.spool, state, "/towbar/spool");
    return join(tb_lib.spool, home, "/.local/state/towbar/spool");
}

/* As an absolute path: the program may change its folder, and the spool's is opened again by it. */
static int take_wanted(const char *wanted)
{
    char rest[TB_LIB_PATH];
    char folder[TB_LIB_PATH];
    if (wanted[0] == '/' || !getcwd(folder, sizeof(folder)) || folder[0] != '/')
        return join(tb_lib.spool, wanted, "");
    int n = snprintf(rest, sizeof(rest), "/%s", wanted);
    return n < 0 || (size_t)n >= sizeof(rest) ? -ENAMETOOLONG : join(tb_lib.spool, folder, rest);
}

/* The system's, which is not there or closed, is waited for when this user has none that is. */
static int wait_for_system(int system_err, char why[TB_LIB_WHY])
{
    why[0] = '\0';
    (void)join(tb_lib.spool, SYSTEM_SPOOL, "");
    atomic_store(&tb_lib.dir_error, -system_err);
    return system_err;
}

int tb_lib_open_spool(const char *wanted, char why[TB_LIB_WHY])
{
    char reason[TB_SPOOL_WHY] = "";
    int create = 1;
    int err = 0;
    int system_err = wanted && wanted[0] ? 0 : ask_system();
    int can_wait = geteuid() != 0 && (system_err == -ENOENT || system_err == -EACCES);
    if (wanted && wanted[0])
        err = take_wanted(wanted);
    else if (system_err == 0 || geteuid() == 0)
        err = join(tb_lib.spool, SYSTEM_SPOOL, "");
    else
        err = choose_own(system_err, why);
    if (err == -ENAMETOOLONG)
        (void)snprintf(why, TB_LIB_WHY, "the path of the spool is too long; set TOWBAR_SPOOL");
    if (err == system_err && can_wait)
        return wait_for_system(err, why);
    if (err)
        return err;
    if (strcmp(tb_lib.spool, SYSTEM_SPOOL) == 0 && geteuid() != 0)
        create = 0;
    int fd = tb_spool_dir_open(tb_lib.spool, create, reason);
    if ((fd == -ENOENT || fd == -EACCES) && can_wait)
        return wait_for_system(system_err, why);
    if (fd < 0)
        (void)snprintf(why, TB_LIB_WHY, "%s", reason);
    if (fd == -EACCES || fd == -EMFILE || fd == -ENFILE || (fd == -ENOENT && !create))
        atomic_store(&tb_lib.dir_error, -fd);
    return fd;
}
