/* config_paths.c - see config_paths.h. */
#include "agent/config/config_paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/config/config.h"

#define SYSTEM_FILE "/etc/towbar/towbard.yaml"
#define SYSTEM_STATE "/var/lib/towbar"
#define SYSTEM_SOCKET "/run/towbar/towbard.sock"
#define RUNTIME_SOCKET "/towbar/towbard.sock"

/* The system's folders belong to root and to the user that owns the system's spool. */
static int is_system_user(void)
{
    struct stat st;
    return geteuid() == 0 || (stat(TB_CONFIG_SYSTEM_SPOOL, &st) == 0 && st.st_uid == geteuid());
}

static int is_folder(const char *path)
{
    struct stat st;
    return path != NULL && path[0] == '/' && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* "BASE/rest" by an XDG variable, else below $HOME, else "". */
static void user_path(const char *variable, const char *below_home, const char *rest,
                      char out[TB_CONFIG_PATH])
{
    const char *base = getenv(variable);
    const char *home = getenv("HOME");
    out[0] = '\0';
    if (base != NULL && base[0] == '/')
        snprintf(out, TB_CONFIG_PATH, "%s/%s", base, rest);
    else if (home != NULL && home[0] == '/')
        snprintf(out, TB_CONFIG_PATH, "%s/%s/%s", home, below_home, rest);
}

void tb_config_default_places(struct tb_config_places *out)
{
    if (is_system_user()) {
        snprintf(out->file, sizeof(out->file), "%s", SYSTEM_FILE);
        snprintf(out->spool, sizeof(out->spool), "%s", TB_CONFIG_SYSTEM_SPOOL);
        snprintf(out->state_dir, sizeof(out->state_dir), "%s", SYSTEM_STATE);
        return;
    }
    user_path("XDG_CONFIG_HOME", ".config", "towbar/towbard.yaml", out->file);
    user_path("XDG_STATE_HOME", ".local/state", "towbar/spool", out->spool);
    user_path("XDG_STATE_HOME", ".local/state", "towbar", out->state_dir);
}

void tb_config_default_socket(const char *state_dir, int state_was_set, char out[TB_CONFIG_PATH])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (!state_was_set && is_system_user())
        snprintf(out, TB_CONFIG_PATH, "%s", SYSTEM_SOCKET);
    else if (!state_was_set && is_folder(runtime))
        snprintf(out, TB_CONFIG_PATH, "%s%s", runtime, RUNTIME_SOCKET);
    else
        snprintf(out, TB_CONFIG_PATH, "%s/towbard.sock", state_dir);
}

int tb_config_may_make_folder(const char *socket)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    size_t len = is_folder(runtime) ? strlen(runtime) : 0;
    return strcmp(socket, SYSTEM_SOCKET) == 0 || (len > 0 && strncmp(socket, runtime, len) == 0 &&
                                                  strcmp(socket + len, RUNTIME_SOCKET) == 0);
}

const char *tb_config_path_fault(const char *path)
{
    if (path[0] == '/')
        return NULL;
    if (path[0] == '~')
        return "~ is not expanded here: write the whole path, from / on";
    return "this is not an absolute path: write it from / on";
}

int tb_config_absolute(const char *path, char out[TB_CONFIG_PATH])
{
    char here[TB_CONFIG_PATH] = "";
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0'))
        return -EINVAL;
    if (path[0] != '/' && getcwd(here, sizeof(here)) == NULL)
        return -errno;
    while (path[0] == '.' && path[1] == '/')
        path += 1 + strspn(path + 1, "/");
    const char *slash = path[0] == '/' || strcmp(here, "/") == 0 ? "" : "/";
    int len = snprintf(out, TB_CONFIG_PATH, "%s%s%s", here, slash, strcmp(path, ".") ? path : "");
    if (len < 0 || len >= TB_CONFIG_PATH)
        return -ENAMETOOLONG;
    while (len > 1 && out[len - 1] == '/')
        out[--len] = '\0';
    return 0;
}
