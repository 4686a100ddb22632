/* spool.c - which spool the library writes to: what the host says, what the environment says, the
 * system's if there is one, else the user's own. */
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

static int is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* 0, or -ENAMETOOLONG. */
static int join(char out[TB_LIB_PATH], const char *folder, const char *rest)
{
    int n = snprintf(out, TB_LIB_PATH, "%s%s", folder, rest);
    return n < 0 || n >= TB_LIB_PATH ? -ENAMETOOLONG : 0;
}

/* The state folder of this user (XDG Base Directory Specification). */
static int choose_own(char why[TB_LIB_WHY])
{
    const char *state = secure_getenv("XDG_STATE_HOME");
    const char *home = secure_getenv("HOME");
    if (state && state[0] == '/')
        return join(tb_lib.spool, state, "/towbar/spool");
    if (home && home[0] == '/')
        return join(tb_lib.spool, home, "/.local/state/towbar/spool");
    (void)snprintf(why, TB_LIB_WHY,
                   "no spool: there is no " SYSTEM_SPOOL "/in, and neither XDG_STATE_HOME nor HOME "
                   "is set; start towbard as a system service, or set TOWBAR_SPOOL");
    return -ENOENT;
}

int tb_lib_open_spool(const char *wanted, char why[TB_LIB_WHY])
{
    char reason[TB_SPOOL_WHY] = "";
    int create = 1;
    int err = 0;
    if (wanted && wanted[0])
        err = join(tb_lib.spool, wanted, "");
    else if (is_folder(SYSTEM_SPOOL "/in") || geteuid() == 0)
        err = join(tb_lib.spool, SYSTEM_SPOOL, "");
    else
        err = choose_own(why);
    if (err == -ENAMETOOLONG)
        (void)snprintf(why, TB_LIB_WHY, "the path of the spool is too long; set TOWBAR_SPOOL");
    if (err)
        return err;
    if (strcmp(tb_lib.spool, SYSTEM_SPOOL) == 0 && geteuid() != 0)
        create = 0;
    int fd = tb_spool_dir_open(tb_lib.spool, create, reason);
    if (fd < 0)
        (void)snprintf(why, TB_LIB_WHY, "%s", reason);
    return fd;
}
