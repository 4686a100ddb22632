/* symbolize.h - what the parts of `towbar symbolize` share. */
#ifndef TB_CLI_SYMBOLIZE_H
#define TB_CLI_SYMBOLIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/native/symbolizer.h"
#include "base/json.h"
#include "cli/print.h"
#include "cli/verb.h"
#include "symbol/places.h"

enum { TB_SYMBOLIZE_MODULES = 16 };

struct tb_symbolize {
    struct tb_cli *cli;
    struct tb_config config;
    struct tb_symbolizer *symbolizer;
};

/* Names places of files as they are now: module i begins at tb_symbolize_base(i). Returns the
 * answer of places.h, or NULL, which was said on stderr. The caller deletes it. */
cJSON *tb_symbolize_ask(struct tb_symbolize *s, const char *const *paths, size_t n_paths,
                        const struct tb_symbol_asked *asked, size_t n_asked);
uint64_t tb_symbolize_base(size_t module);
/* Whether anything is known of the place: a function or a line. */
bool tb_symbolize_is_named(const cJSON *place);
/* "inner at a.c:3 (inlined by) outer at a.c:9"; or with between in front of each but the first. */
void tb_symbolize_print(const cJSON *place, const char *between);

/* Each returns an exit code. */
int tb_symbolize_text(struct tb_symbolize *s, const char *path);
/* path: of a file of a spool, or its name in that of the command line. */
int tb_symbolize_spool(struct tb_symbolize *s, const char *path);

#endif
