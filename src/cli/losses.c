/* losses.c - see losses.h. */
#include "cli/losses.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent/serve/status.h"
#include "agent/deaths/vanished.h"
#include "base/fd.h"
#include "cli/print.h"
#include "spool/counts.h"

enum { JSON_BYTES = 2048 };

static const char PREFIX[] = "dropped.";

/* While no agent runs, the file is as the last one left it. */
static cJSON *read_counts(const char *spool)
{
    char path[PATH_MAX];
    uint8_t bytes[TB_COUNTS_BYTES];
    struct tb_spool_totals totals;
    int len = snprintf(path, sizeof(path), "%s/agent/counts", spool);
    if (len < 0 || (size_t)len >= sizeof(path))
        return NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    ssize_t n = tb_fd_pread_all(fd, bytes, sizeof(bytes), 0);
    tb_fd_close(&fd);
    if (n != (ssize_t)sizeof(bytes) || tb_counts_unpack(bytes, &totals) < 0)
        return NULL;
    char text[JSON_BYTES];
    struct tb_json j;
    tb_json_init(&j, text, sizeof(text));
    tb_status_write_totals(&totals, &j);
    return tb_json_finish(&j) == 0 ? cJSON_Parse(text) : NULL;
}

void tb_losses_read(const char *spool, const cJSON *agent, struct tb_losses *out)
{
    const cJSON *told = agent ? tb_json_at(agent, "spool.lifetime") : NULL;
    memset(out, 0, sizeof(*out));
    out->lifetime = told ? cJSON_Duplicate(told, 1) : read_counts(spool);
}

void tb_losses_done(struct tb_losses *losses)
{
    cJSON_Delete(losses->lifetime);
    losses->lifetime = NULL;
}

int tb_losses_counter(void *arg, const char *name, int64_t value)
{
    struct tb_losses *losses = arg;
    if (strcmp(name, TB_VANISHED_REPORTED) == 0 || strcmp(name, TB_VANISHED_UNREPORTED) == 0)
        losses->n_unseen += value;
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || losses->n_told == TB_LOSSES_REASONS)
        return 0;
    snprintf(losses->told[losses->n_told].reason, TB_LOSSES_REASON, "%.31s", name + strlen(PREFIX));
    losses->told[losses->n_told++].n = value;
    return 0;
}

static int64_t number(const struct tb_losses *losses, const char *path)
{
    const cJSON *value = losses->lifetime ? tb_json_at(losses->lifetime, path) : NULL;
    return value && cJSON_IsNumber(value) ? (int64_t)value->valuedouble : 0;
}

/* ---- for programs ---- */

static void put_lifetime(const struct tb_losses *losses, struct tb_json *j)
{
    static const char *const by_class[] = {"evicted", "dropped"};
    static const char *const classes[] = {"crash", "error", "warning", "info"};
    static const char *const sums[] = {"evicted_files", "evicted_bytes", "evicted_foreign",
                                       "lost",          "vanished",      "damaged"};
    char path[64];
    tb_json_key(j, "spool_lifetime");
    tb_json_object(j);
    for (size_t i = 0; i < sizeof(by_class) / sizeof(by_class[0]); i++) {
        tb_json_key(j, by_class[i]);
        tb_json_object(j);
        for (size_t c = 0; c < sizeof(classes) / sizeof(classes[0]); c++) {
            snprintf(path, sizeof(path), "%s.%s", by_class[i], classes[c]);
            tb_json_kint(j, classes[c], number(losses, path));
        }
        tb_json_end(j);
    }
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
        tb_json_kint(j, sums[i], number(losses, sums[i]));
    tb_json_end(j);
}

void tb_losses_put(const struct tb_losses *losses, struct tb_json *j)
{
    if (losses->lifetime)
        put_lifetime(losses, j);
    tb_json_kint(j, "died_unseen", losses->n_unseen);
    tb_json_key(j, "dropped_by_programs");
    tb_json_object(j);
    for (unsigned i = 0; i < losses->n_told; i++)
        tb_json_kint(j, losses->told[i].reason, losses->told[i].n);
    tb_json_end(j);
}

/* ---- for people ---- */

/* "  evicted   2 errors, 1 warning ...": nothing when all are 0. */
static void print_by_class(const struct tb_losses *losses, const char *label, const char *key,
                           const char *text)
{
    static const char *const classes[][3] = {{"crash", "crash", "crashes"},
                                             {"error", "error", "errors"},
                                             {"warning", "warning", "warnings"},
                                             {"info", "of info", "of info"}};
    int n_said = 0;
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        char path[64];
        snprintf(path, sizeof(path), "%s.%s", key, classes[i][0]);
        int64_t n = number(losses, path);
        if (n <= 0)
            continue;
        if (n_said++ == 0)
            printf("  %-9s ", label);
        else
            printf(", ");
        printf("%" PRId64 " %s", n, classes[i][n == 1 ? 1 : 2]);
    }
    if (n_said > 0)
        printf(" %s\n", text);
}

static void print_told(const struct tb_losses *losses)
{
    for (unsigned i = 0; i < losses->n_told; i++) {
        printf("%s%" PRId64 " ", i == 0 ? "  refused   " : ", ", losses->told[i].n);
        tb_print_text(losses->told[i].reason);
    }
    if (losses->n_told > 0)
        printf(": reports that programs could not keep, by reason, as they told\n");
}

void tb_losses_print(const struct tb_losses *losses)
{
    static const struct {
        const char *key, *text;
    } sums[] = {{"lost", "lost by their writers"}, {"damaged", "damaged"}};
    int n_said = 0;
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        int64_t n = number(losses, sums[i].key);
        if (n > 0)
            printf("%s%" PRId64 " %s", n_said++ == 0 ? "  losses    " : ", ", n, sums[i].text);
    }
    if (losses->n_unseen > 0)
        printf("%s%" PRId64 " process%s died unseen", n_said++ == 0 ? "  losses    " : ", ",
               losses->n_unseen, losses->n_unseen == 1 ? "" : "es");
    if (n_said > 0)
        printf("\n");
    print_by_class(losses, "evicted", "evicted",
                   "went unread because the spool was over its limits (spool_limits)");
    print_by_class(losses, "dropped", "dropped",
                   "were refused by programs that ended before they could tell");
    print_told(losses);
}
