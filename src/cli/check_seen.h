/* check_seen.h - which services, hosts and trace IDs the errors had that were stored last, for what
 * `towbar check` warns of. */
#ifndef TB_CLI_CHECK_SEEN_H
#define TB_CLI_CHECK_SEEN_H

#include <stddef.h>

#include "agent/config/config.h"

enum {
    TB_SEEN_ERRORS = 200, /* are looked at, the latest */
    TB_SEEN_SERVICES = 32,
    TB_SEEN_NAME = 256
};

struct tb_seen_service {
    char service[TB_SEEN_NAME];
    char name[TB_SEEN_NAME]; /* what X-Ray is told: the service, or what the settings make of it */
    char host[TB_SEEN_NAME]; /* of a request that gave it that name; "" when it was no host */
    int n_errors;
    int n_traced; /* of these had both IDs */
    int n_differ; /* of these two that are not the same */
};

struct tb_seen {
    struct tb_seen_service services[TB_SEEN_SERVICES]; /* the one with the latest error first */
    size_t n;
};

/* Empty where there is no database, or it may not be read. */
void tb_seen_look(const struct tb_config *config, struct tb_seen *out);
/* The one that X-Ray is told of by that name, or NULL. */
const struct tb_seen_service *tb_seen_by_name(const struct tb_seen *seen, const char *name);
/* The one that was likely meant by a name that nobody has; the only one; or NULL. */
const struct tb_seen_service *tb_seen_nearest(const struct tb_seen *seen, const char *name);
/* Their names with commas, cut to fit. */
void tb_seen_names(const struct tb_seen *seen, char *out, size_t cap);

#endif
