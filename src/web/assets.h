/* assets.h - the files that are built into the program: stylesheet, script, icon.
 *
 * src/tools/embed.c makes the table from src/web/assets when the program is built. */
#ifndef TB_WEB_ASSETS_H
#define TB_WEB_ASSETS_H

#include <stddef.h>

struct tb_asset {
    const char *path; /* "/app.css" */
    const char *type; /* Content-Type */
    const char *etag; /* of the content, with its quotes */
    const unsigned char *data;
    size_t len;
};

extern const struct tb_asset tb_assets[];
extern const size_t tb_n_assets;

#endif
