/* aws_internal.h - what the files of the credentials share: aws.c has the order, the cache and when
 * to ask; environment and profiles are in profile.c, servers of the host in metadata.c, the STS in
 * sts.c, programs in process.c, what they answer is read in answer.c.
 *
 * What holds a secret is wiped before it is freed, and no text for people has one. */
#ifndef TB_AGENT_AWS_INTERNAL_H
#define TB_AGENT_AWS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/aws/aws.h"
#include "agent/aws/ini.h"
#include "agent/deliver/fetch.h"

enum {
    TB_AWS_KEY_ID = 256,
    TB_AWS_SECRET = 256,
    TB_AWS_SESSION = 5120, /* a request of a sink has 6 KiB of headers */
    TB_AWS_TEXT = 2048,    /* a value of a profile, a token of a file, a URL */
    TB_AWS_SOURCE = 96,
    TB_AWS_REPLY = 64 << 10,  /* bytes of an answer, of a server or a program */
    TB_AWS_TOKEN = 16 << 10,  /* bytes of a web identity token */
    TB_AWS_DEPTH = 5,         /* profiles that lead to each other */
    TB_AWS_METADATA_MS = 1000 /* a server of the host answers at once, or is not there */
};

struct tb_aws_keys {
    char key_id[TB_AWS_KEY_ID];
    char secret[TB_AWS_SECRET];
    char session[TB_AWS_SESSION];
    int64_t expires_ms; /* since 1970; 0: never */
    char source[TB_AWS_SOURCE];
};

/* What the providers ask with. */
struct tb_aws_asker {
    struct tb_fetcher *fetcher;
    const atomic_bool *is_over; /* nobody waits for it any more; NULL */
    const char *profile;        /* that of the settings, of AWS_PROFILE, or "default" */
    bool is_profile_wanted;     /* somebody named it */
    bool is_profile_first;      /* it stands in the settings: it wins over the environment */
    const char *region;         /* as far as it is known without asking; "" */
    char *config_text;          /* ~/.aws/config, "" where there is none; owned */
    char *credentials_text;     /* ~/.aws/credentials */
    struct tb_ini config, credentials;
};

/* All providers: 1 with *out; 0: not this one; or a negative errno with why. */

/* ---- profile.c ---- */

/* Reads the files; what is not there is "". Free with tb_aws_profiles_done. 0 or -ENOMEM. */
int tb_aws_profiles_read(struct tb_aws_asker *asker);
void tb_aws_profiles_done(struct tb_aws_asker *asker);
/* A value of a profile, of either file, credentials first; "" in out when it is not there. */
bool tb_aws_profile_get(const struct tb_aws_asker *asker, const char *profile, const char *name,
                        char *out, size_t cap);
bool tb_aws_profile_is_there(const struct tb_aws_asker *asker, const char *profile);
int tb_aws_from_environment(const struct tb_aws_asker *asker, struct tb_aws_keys *out, char *why);
/* Keys that stand in one of the files. */
int tb_aws_from_ini(const struct tb_ini *ini, const char *profile, struct tb_aws_keys *out,
                    char *why);
int tb_aws_from_process(const struct tb_aws_asker *asker, const char *profile,
                        struct tb_aws_keys *out, char *why);

/* ---- sts.c ---- */

/* A role of the profile with keys from elsewhere. depth: profiles that led here. */
int tb_aws_from_role(const struct tb_aws_asker *asker, const char *profile, int depth,
                     struct tb_aws_keys *out, char *why);
int tb_aws_from_web_identity(const struct tb_aws_asker *asker, struct tb_aws_keys *out, char *why);

/* ---- metadata.c ---- */

int tb_aws_from_container(const struct tb_aws_asker *asker, struct tb_aws_keys *out, char *why);
int tb_aws_from_imds(const struct tb_aws_asker *asker, struct tb_aws_keys *out, char *why);
/* The region of the instance: 0, or a negative errno with why. */
int tb_aws_imds_region(const struct tb_aws_asker *asker, char out[64], char *why);

/* ---- answer.c ---- */

void tb_aws_wipe(char *text, size_t len);
/* A file of at most max bytes as text: 1 with *out, to be wiped and freed; 0: it is not there; or
 * a negative errno. */
int tb_aws_read_file(const char *path, size_t max, char **out, size_t *len);
/* A value without blanks and control characters around it, which may be in a header. */
bool tb_aws_is_word(const char *text);
/* The ID of a key, which is a part of a header with others: letters, digits, "_" and "-". */
bool tb_aws_is_key_id(const char *text);
/* Asks, and has the body of whatever status, TB_AWS_REPLY at most, to be wiped and freed. The
 * status, or a negative errno with why. what: for people, "the container's server". */
int tb_aws_ask(const struct tb_aws_asker *asker, struct tb_fetch_request *request, const char *what,
               char **out, size_t *len, char *why);
/* Keys of JSON: AccessKeyId, SecretAccessKey, Token or SessionToken, Expiration. 1, or -EBADMSG
 * with why. */
int tb_aws_keys_of_json(const char *text, size_t len, const char *what, struct tb_aws_keys *out,
                        char *why);
/* The same of <Credentials> in the XML of the STS. */
int tb_aws_keys_of_xml(const char *text, size_t len, struct tb_aws_keys *out, char *why);
/* "2026-11-22T09:27:41Z" in ms since 1970, "" 0; -1 for what is neither. */
int64_t tb_aws_time(const char *text);
/* Runs the program: its output, to be wiped and freed. 0, or a negative errno with why. */
int tb_aws_run(const struct tb_aws_asker *asker, const char *line, char **out, size_t *len,
               char *why);

#endif
