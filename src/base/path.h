/* path.h - names of files, as text. */
#ifndef TB_BASE_PATH_H
#define TB_BASE_PATH_H

#include <string.h>

/* What follows the last "/" of path, borrowed from it; path itself where there is none. */
static inline const char *tb_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

#endif
