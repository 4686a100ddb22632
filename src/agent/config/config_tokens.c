/* config_tokens.c - where the tokens come from; see config_apply.h.
 *
 * The agent's own: ROLLBAR_ACCESS_TOKEN, the file that TOWBAR_ROLLBAR_TOKEN_FILE names,
 * rollbar.access_token, rollbar.token_file, and last the credential "rollbar_token" that systemd
 * put into $CREDENTIALS_DIRECTORY. Senders from elsewhere show that of TOWBAR_INGEST_TOKEN_FILE,
 * ingest.token_file or of the credential "ingest_token". No token is ever part of a message. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/config/config_apply.h"
#include "agent/config/config_paths.h"
#include "agent/config/config_sinks_load.h"
#include "base/buf.h"
#include "base/fd.h"

enum { TOKEN_FILE_MAX = 4096 };

/* One token and where it is from, for people. */
struct token {
    const char *key; /* "rollbar.token_file", or what names the project */
    char **text, **from;
};

static void warn_if_open(struct tb_config *c, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0)
        tb_config_warn(c, "%s holds the token and can be read by every user: chmod 600 %s", path,
                       path);
}

static int read_file(struct tb_config *c, const struct token *token, const char *path,
                     char why[TB_CONFIG_WHY])
{
    struct tb_buf text;
    tb_buf_init(&text, TOKEN_FILE_MAX);
    int err = tb_fd_slurp(AT_FDCWD, path, &text);
    if (err) {
        snprintf(why, TB_CONFIG_WHY,
                 "cannot read %s %s: %s; it must hold the token in its first line, mode 0600, "
                 "owned by the agent's user",
                 token->key, path, strerror(-err));
    } else {
        char line[TOKEN_FILE_MAX + 1];
        snprintf(line, sizeof(line), "%s", tb_buf_str(&text));
        line[strcspn(line, " \t\r\n")] = '\0';
        tb_config_set(token->text, line);
        tb_config_set(token->from, path);
        if (line[0] == '\0') {
            snprintf(why, TB_CONFIG_WHY,
                     "%s %s is empty: put the project's post_server_item token in its first line",
                     token->key, path);
            err = -EINVAL;
        }
    }
    if (!err)
        warn_if_open(c, path);
    tb_buf_done(&text);
    return err;
}

static int check(const struct token *token, char why[TB_CONFIG_WHY])
{
    const char *text = *token->text;
    int good = strlen(text) <= TB_CONFIG_TOKEN_MAX;
    for (const char *t = text; good && *t != '\0'; t++)
        good = *t > ' ' && *t < 0x7f;
    if (good)
        return 0;
    snprintf(why, TB_CONFIG_WHY,
             "the Rollbar token from %s is no token: at most %d printable characters, no spaces",
             *token->from, TB_CONFIG_TOKEN_MAX);
    return -EINVAL;
}

/* 0, with a path in out that is "" when systemd gave no such credential. */
static void credential(const char *name, char out[TB_CONFIG_PATH])
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    struct stat st;
    out[0] = '\0';
    if (folder == NULL || folder[0] != '/')
        return;
    int len = snprintf(out, TB_CONFIG_PATH, "%s/%s", folder, name);
    if (len >= TB_CONFIG_PATH || stat(out, &st) < 0)
        out[0] = '\0';
}

static int take_own(struct tb_config *c, const struct tb_config_rollbar *r, char why[TB_CONFIG_WHY])
{
    const struct token own = {"rollbar.token_file", &c->token, &c->token_from};
    const struct token own_by_env = {"TOWBAR_ROLLBAR_TOKEN_FILE", &c->token, &c->token_from};
    const char *env = getenv("ROLLBAR_ACCESS_TOKEN");
    const char *env_file = getenv("TOWBAR_ROLLBAR_TOKEN_FILE");
    char path[TB_CONFIG_PATH];
    int err = 0;
    credential("rollbar_token", path);
    if (env != NULL && env[0] != '\0') {
        tb_config_set(&c->token, env);
        tb_config_set(&c->token_from, "ROLLBAR_ACCESS_TOKEN");
    } else if (env_file != NULL && env_file[0] != '\0') {
        err = read_file(c, &own_by_env, env_file, why);
    } else if (r != NULL && r->access_token != NULL && r->access_token[0] != '\0') {
        tb_config_set(&c->token, r->access_token);
        tb_config_set(&c->token_from, c->file);
    } else if (r != NULL && r->token_file != NULL && r->token_file[0] != '\0') {
        err = read_file(c, &own, r->token_file, why);
    } else if (path[0] != '\0') {
        err = read_file(c, &own, path, why);
    }
    return err ? err : check(&own, why);
}

static int take_project(struct tb_config *c, struct tb_config_project *project,
                        const struct tb_config_project_file *from, char why[TB_CONFIG_WHY])
{
    const struct token token = {"projects: token_file", &project->token, &project->token_from};
    int err = 0;
    tb_config_set(&project->token_from, c->file);
    if (project->token[0] == '\0' && from->token_file != NULL && from->token_file[0] != '\0')
        err = read_file(c, &token, from->token_file, why);
    if (!err && project->token[0] == '\0') {
        snprintf(why, TB_CONFIG_WHY,
                 "projects: the one of service \"%.100s\" has no token: give it access_token or "
                 "token_file",
                 project->service);
        err = -EINVAL;
    }
    return err ? err : check(&token, why);
}

static int take_ingest(struct tb_config *c, const struct tb_config_ingest *i,
                       char why[TB_CONFIG_WHY])
{
    char *from = NULL;
    const struct token token = {"ingest.token_file", &c->ingest_token, &from};
    char path[TB_CONFIG_PATH];
    const char *env_file = getenv("TOWBAR_INGEST_TOKEN_FILE");
    int err = 0;
    credential("ingest_token", path);
    if (env_file != NULL && env_file[0] != '\0')
        err = read_file(c, &token, env_file, why);
    else if (i != NULL && i->token_file != NULL && i->token_file[0] != '\0')
        err = read_file(c, &token, i->token_file, why);
    else if (path[0] != '\0')
        err = read_file(c, &token, path, why);
    if (!err)
        err = check(&token, why);
    free(from);
    return err;
}

int tb_config_take_tokens(struct tb_config *config, const struct tb_config_file *file,
                          char why[TB_CONFIG_WHY])
{
    int err = take_own(config, file != NULL ? file->rollbar : NULL, why);
    for (size_t i = 0; file != NULL && i < config->n_projects && !err; i++)
        err = take_project(config, &config->projects[i], &file->projects[i], why);
    return err ? err : take_ingest(config, file != NULL ? file->ingest : NULL, why);
}
