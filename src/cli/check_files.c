/* check_files.c - `towbar check`: the files that the settings name, and whether the installed unit
 * lets the agent see them. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/config/config_tls.h"
#include "base/fd.h"
#include "cli/check.h"

enum { UNIT_BYTES = 64 << 10, VALUE_BYTES = 64 };

/* ---- TLS ---- */

void tb_check_tls(struct tb_check *check)
{
    const struct tb_config *config = check->config;
    char why[TB_CONFIG_WHY];
    if (config->tls_cert_file[0] == '\0' && config->tls_key_file[0] == '\0')
        return;
    if (tb_config_tls_pair(config->tls_cert_file, config->tls_key_file, why) < 0)
        tb_check_line(check, TB_CHECK_FAILED, "tls", "%s", why);
    else
        tb_check_line(check, TB_CHECK_WELL, "tls", "certificate and key fit each other");
}

/* ---- what is watched ---- */

static void check_found(struct tb_check *check, const char *key, const char *pattern,
                        const glob_t *found)
{
    for (size_t i = 0; i < found->gl_pathc; i++)
        if (access(found->gl_pathv[i], R_OK) != 0) {
            tb_check_line(check, TB_CHECK_WARNING, "files",
                          "%s: this user cannot read %s: %s; the agent's user must (its group, or "
                          "setfacl)",
                          key, found->gl_pathv[i], strerror(errno));
            return;
        }
    tb_check_line(check, TB_CHECK_WELL, "files", "%s: %s, %zu found", key, pattern,
                  found->gl_pathc);
}

static void check_pattern(struct tb_check *check, const char *key, const char *pattern)
{
    glob_t found = {0};
    int got = glob(pattern, 0, NULL, &found);
    if (got == 0)
        check_found(check, key, pattern, &found);
    else if (got == GLOB_NOMATCH)
        tb_check_line(check, TB_CHECK_NONE, "files", "%s: nothing is at %s yet", key, pattern);
    else
        tb_check_line(check, TB_CHECK_WARNING, "files", "%s: %s cannot be looked at", key, pattern);
    globfree(&found);
}

void tb_check_files(struct tb_check *check)
{
    for (size_t i = 0; i < check->config->n_rollbar_files; i++)
        check_pattern(check, "rollbar_files", check->config->rollbar_files[i]);
    for (size_t i = 0; i < check->config->n_logs; i++)
        check_pattern(check, "log_files", check->config->logs[i].path);
}

/* ---- the unit ---- */

/* The last value of a key of the unit's text; "" for none. */
static void unit_value(const char *text, const char *key, char out[VALUE_BYTES])
{
    size_t len = strlen(key);
    out[0] = '\0';
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, len) == 0 && line[len] == '=')
            snprintf(out, VALUE_BYTES, "%.*s", (int)strcspn(line + len + 1, "\r\n "),
                     line + len + 1);
    }
}

static int is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* What of the unit hides the path, or NULL. reads_only: it is enough that it can be read. */
static const char *hidden_by(const char *text, const char *path, int reads_only)
{
    char home[VALUE_BYTES];
    char tmp[VALUE_BYTES];
    unit_value(text, "ProtectHome", home);
    unit_value(text, "PrivateTmp", tmp);
    int is_home = is_below(path, "/home") || is_below(path, "/root");
    int is_tmp = is_below(path, "/tmp") || is_below(path, "/var/tmp");
    if (is_tmp && (strcmp(tmp, "yes") == 0 || strcmp(tmp, "true") == 0))
        return "PrivateTmp";
    if (is_home && *home != '\0' && strcmp(home, "no") != 0 && strcmp(home, "false") != 0 &&
        !(reads_only && strcmp(home, "read-only") == 0))
        return "ProtectHome";
    return NULL;
}

static int check_hidden(struct tb_check *check, const char *text, const char *key, const char *path,
                        int reads_only)
{
    const char *by = hidden_by(text, path, reads_only);
    if (by != NULL)
        tb_check_line(check, TB_CHECK_WARNING, "unit",
                      "%s of the unit hides %s (%s) from the agent: systemctl edit towbard, or use "
                      "another folder",
                      by, path, key);
    return by != NULL;
}

static int check_all_hidden(struct tb_check *check, const char *text)
{
    const struct tb_config *c = check->config;
    int n = check_hidden(check, text, "spool", c->spool, 0) +
            check_hidden(check, text, "state_dir", c->state_dir, 0);
    for (size_t i = 0; i < c->n_rollbar_files; i++)
        n += check_hidden(check, text, "rollbar_files", c->rollbar_files[i],
                          !c->removes_rollbar_files);
    for (size_t i = 0; i < c->n_logs; i++)
        n += check_hidden(check, text, "log_files", c->logs[i].path, 1);
    for (size_t i = 0; i < c->n_source_roots; i++)
        n += check_hidden(check, text, "symbols.source_roots", c->source_roots[i], 1);
    for (size_t i = 0; i < c->n_debug_dirs; i++)
        n += check_hidden(check, text, "symbols.debug_dirs", c->debug_dirs[i], 1);
    return n;
}

void tb_check_unit(struct tb_check *check, const char *unit)
{
    struct tb_buf text;
    tb_buf_init(&text, UNIT_BYTES);
    /* An agent of a user's own does not run under the host's unit. */
    if (check->config->shared_spool && tb_fd_slurp(AT_FDCWD, unit, &text) == 0 &&
        check_all_hidden(check, tb_buf_str(&text)) == 0)
        tb_check_line(check, TB_CHECK_WELL, "unit", "%s hides nothing that the settings name",
                      unit);
    tb_buf_done(&text);
}
