/* fuzz_proc.c - what /proc says, names that users chose among it: read or refused, never a path
 * that leads out of the cgroups. */
#include <stdlib.h>
#include <string.h>

#include "agent/deaths/proc.h"

static void check_path(const char *path)
{
    static const char below[] = "/sys/fs/cgroup/";
    if (path[0] != '\0' && (strncmp(path, below, strlen(below)) != 0 || strstr(path, "/..")))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_proc proc;
    char path[TB_PROC_PATH];
    char *text = strndup((const char *)data, size);
    if (text == NULL)
        return 0;
    (void)tb_proc_parse(text, &proc);
    (void)tb_proc_parse_uid(text, 0);
    if (tb_proc_parse_oom(text) < -1)
        abort();
    tb_proc_parse_cgroup(text, path);
    check_path(path);
    free(text);
    return 0;
}
