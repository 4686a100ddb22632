/* profile.c - what the environment and the profiles' files hold. See aws_internal.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/aws/aws_internal.h"

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

/* ---- the files ---- */

/* The variable, with "~/" as it stands there, else name in ~/.aws. False: nowhere. */
static bool path_of(const char *variable, const char *name, char *out, size_t cap)
{
    const char *said = env(variable);
    const char *home = env("HOME");
    int n;
    if (said[0] != '\0' && strncmp(said, "~/", 2) != 0)
        n = snprintf(out, cap, "%s", said);
    else if (home[0] == '\0')
        return false;
    else if (said[0] != '\0')
        n = snprintf(out, cap, "%s%s", home, said + 1);
    else
        n = snprintf(out, cap, "%s/.aws/%s", home, name);
    return n > 0 && (size_t)n < cap;
}

/* A file that cannot be read is none: somebody else's HOME, a folder that is not ours. */
static int read_ini(const char *variable, const char *name, enum tb_ini_form form, char **text,
                    struct tb_ini *out)
{
    char path[TB_AWS_TEXT];
    size_t len = 0;
    *text = NULL;
    *out = (struct tb_ini){.text = "", .form = form};
    int got = path_of(variable, name, path, sizeof(path))
                  ? tb_aws_read_file(path, TB_INI_BYTES, text, &len)
                  : 0;
    if (got == 1) {
        out->text = *text;
        out->len = len;
    }
    return got == -ENOMEM ? -ENOMEM : 0;
}

int tb_aws_profiles_read(struct tb_aws_asker *asker)
{
    asker->credentials_text = NULL;
    int err =
        read_ini("AWS_CONFIG_FILE", "config", TB_INI_CONFIG, &asker->config_text, &asker->config);
    if (err == 0)
        err = read_ini("AWS_SHARED_CREDENTIALS_FILE", "credentials", TB_INI_CREDENTIALS,
                       &asker->credentials_text, &asker->credentials);
    return err;
}

void tb_aws_profiles_done(struct tb_aws_asker *asker)
{
    tb_aws_wipe(asker->config_text, asker->config.len);
    tb_aws_wipe(asker->credentials_text, asker->credentials.len);
    asker->config_text = asker->credentials_text = NULL;
    asker->config.len = asker->credentials.len = 0;
}

bool tb_aws_profile_get(const struct tb_aws_asker *asker, const char *profile, const char *name,
                        char *out, size_t cap)
{
    return tb_ini_get(&asker->credentials, profile, name, out, cap) ||
           tb_ini_get(&asker->config, profile, name, out, cap);
}

bool tb_aws_profile_is_there(const struct tb_aws_asker *asker, const char *profile)
{
    return tb_ini_has(&asker->credentials, profile) || tb_ini_has(&asker->config, profile);
}

/* ---- keys that stand there ---- */

static int take(const char *key_id, const char *secret, const char *session, const char *what,
                struct tb_aws_keys *out, char *why)
{
    if (key_id[0] == '\0' && secret[0] == '\0')
        return 0;
    if (!tb_aws_is_key_id(key_id) || !tb_aws_is_word(secret) ||
        (session[0] != '\0' && !tb_aws_is_word(session)) || strlen(key_id) >= TB_AWS_KEY_ID ||
        strlen(secret) >= TB_AWS_SECRET || strlen(session) >= TB_AWS_SESSION) {
        (void)snprintf(why, TB_AWS_WHY, "%s: %s", what,
                       key_id[0] == '\0'   ? "a secret without a key's ID"
                       : secret[0] == '\0' ? "a key's ID without its secret"
                                           : "what stands there is no key");
        return -EINVAL;
    }
    (void)snprintf(out->key_id, sizeof(out->key_id), "%s", key_id);
    (void)snprintf(out->secret, sizeof(out->secret), "%s", secret);
    (void)snprintf(out->session, sizeof(out->session), "%s", session);
    out->expires_ms = 0;
    return 1;
}

int tb_aws_from_environment(const struct tb_aws_asker *asker, struct tb_aws_keys *out, char *why)
{
    const char *session = env("AWS_SESSION_TOKEN");
    (void)asker;
    if (session[0] == '\0')
        session = env("AWS_SECURITY_TOKEN");
    int got = take(env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"), session,
                   "the environment", out, why);
    if (got == 1)
        (void)snprintf(out->source, sizeof(out->source), "environment");
    return got;
}

/* A key of one file never goes with a secret of the other. */
int tb_aws_from_ini(const struct tb_ini *ini, const char *profile, struct tb_aws_keys *out,
                    char *why)
{
    char what[TB_AWS_SOURCE];
    struct {
        char key_id[TB_AWS_KEY_ID], secret[TB_AWS_SECRET], session[TB_AWS_SESSION];
    } v;
    (void)tb_ini_get(ini, profile, "aws_access_key_id", v.key_id, sizeof(v.key_id));
    (void)tb_ini_get(ini, profile, "aws_secret_access_key", v.secret, sizeof(v.secret));
    if (!tb_ini_get(ini, profile, "aws_session_token", v.session, sizeof(v.session)))
        (void)tb_ini_get(ini, profile, "aws_security_token", v.session, sizeof(v.session));
    (void)snprintf(what, sizeof(what), "profile %.64s", profile);
    int got = take(v.key_id, v.secret, v.session, what, out, why);
    explicit_bzero(&v, sizeof(v));
    if (got == 1)
        memcpy(out->source, what, sizeof(what));
    return got;
}

int tb_aws_from_process(const struct tb_aws_asker *asker, const char *profile,
                        struct tb_aws_keys *out, char *why)
{
    char line[TB_AWS_TEXT];
    char *text = NULL;
    size_t len = 0;
    if (!tb_aws_profile_get(asker, profile, "credential_process", line, sizeof(line)) ||
        line[0] == '\0')
        return 0;
    int got = tb_aws_run(asker, line, &text, &len, why);
    explicit_bzero(line, sizeof(line));
    if (got == 0)
        got = tb_aws_keys_of_json(text, len, "credential_process", out, why);
    tb_aws_wipe(text, TB_AWS_REPLY + 2);
    if (got == 1)
        (void)snprintf(out->source, sizeof(out->source), "credential_process of profile %.48s",
                       profile);
    return got;
}
