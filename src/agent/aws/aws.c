/* aws.c - see aws.h: the order in which is asked, and when.
 *
 * Keys that never end are kept until AWS refuses them. Of those that end new ones are asked for
 * from 15 minutes before; where there are none yet, the old ones are used until they end, and
 * asking waits for longer each time. Keys that were refused and come back the same are an error
 * for as long, then tried again: a person may have mended what was wrong with them. */
#include "agent/aws/aws.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/aws/aws_internal.h"
#include "agent/deliver/backoff.h"
#include "base/clock.h"
#include "sink/sigv4.h"

enum {
    EARLY_MS = 15 * 60 * 1000,
    AGAIN_MIN_MS = 1000,
    AGAIN_MAX_MS = 60 * 1000,
    SPARE_MS = 30 * 1000, /* between two asks, when what comes ends soon as well */
    REGION = 64
};

/* When may be asked again, and what is said until then. */
struct patience {
    uint64_t next_ns;
    unsigned n_failures;
    int err;
    char why[TB_AWS_WHY];
};

struct tb_aws {
    char *region_said, *profile; /* of the settings; owned */
    char region[REGION];         /* once it is known */
    struct tb_fetcher *fetcher;  /* made when it is needed */
    struct tb_aws_keys keys;     /* those that hold; key_id is "" for none */
    struct tb_aws_keys fresh;
    const atomic_bool *is_over;
    bool are_refused; /* keys are what AWS did not take */
    struct patience keys_patience, region_patience;
};

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

int tb_aws_new(const struct tb_config_aws *config, struct tb_aws **out)
{
    struct tb_aws *aws = calloc(1, sizeof(*aws));
    if (aws == NULL)
        return -ENOMEM;
    aws->region_said = strdup(config->region ? config->region : "");
    aws->profile = strdup(config->profile ? config->profile : "");
    if (aws->region_said == NULL || aws->profile == NULL) {
        tb_aws_free(aws);
        return -ENOMEM;
    }
    *out = aws;
    return 0;
}

void tb_aws_free(struct tb_aws *aws)
{
    if (aws == NULL)
        return;
    tb_fetcher_free(aws->fetcher);
    free(aws->region_said);
    free(aws->profile);
    explicit_bzero(aws, sizeof(*aws));
    free(aws);
}

void tb_aws_watch(struct tb_aws *aws, const atomic_bool *is_over)
{
    aws->is_over = is_over;
}

const char *tb_aws_source(const struct tb_aws *aws)
{
    return aws->keys.source;
}

/* ---- patience ---- */

static bool may_ask(const struct patience *patience)
{
    return tb_clock_mono_ns() >= patience->next_ns;
}

static void wait_ms(struct patience *patience, int64_t ms)
{
    patience->next_ns = tb_clock_mono_ns() + (uint64_t)ms * TB_NS_PER_MS;
}

static void fail(struct patience *patience, int err)
{
    patience->err = err;
    wait_ms(patience, tb_backoff_ms(AGAIN_MIN_MS, AGAIN_MAX_MS, patience->n_failures++));
}

static int say(const struct patience *patience, char why[TB_AWS_WHY])
{
    (void)snprintf(why, TB_AWS_WHY, "%s",
                   patience->why[0] != '\0' ? patience->why : strerrordesc_np(-patience->err));
    return patience->err;
}

/* ---- what is asked ---- */

/* The region as far as it is known without asking; "". */
static void known_region(const struct tb_aws *aws, const struct tb_aws_asker *asker,
                         char out[REGION])
{
    const char *said = aws->region_said;
    if (said[0] == '\0')
        said = env("AWS_REGION");
    if (said[0] == '\0')
        said = env("AWS_DEFAULT_REGION");
    if (said[0] == '\0')
        said = aws->region;
    out[0] = '\0';
    if (said[0] != '\0')
        (void)snprintf(out, REGION, "%s", said);
    else
        (void)tb_aws_profile_get(asker, asker->profile, "region", out, REGION);
}

static int asker_start(struct tb_aws *aws, struct tb_aws_asker *out, char region[REGION])
{
    const char *said = env("AWS_PROFILE");
    memset(out, 0, sizeof(*out));
    if (said[0] == '\0')
        said = env("AWS_DEFAULT_PROFILE");
    /* The settings take the variable over: where they say the same, it is the variable's. */
    out->is_profile_first = aws->profile[0] != '\0' && strcmp(aws->profile, said) != 0;
    if (aws->profile[0] != '\0')
        said = aws->profile;
    out->is_profile_wanted = said[0] != '\0';
    out->profile = out->is_profile_wanted ? said : "default";
    out->region = region;
    int err = aws->fetcher == NULL ? tb_fetcher_new(&aws->fetcher) : 0;
    if (err == 0)
        err = tb_aws_profiles_read(out);
    out->fetcher = aws->fetcher;
    out->is_over = aws->is_over;
    if (err == 0)
        known_region(aws, out, region);
    return err;
}

static int from_profile(const struct tb_aws_asker *asker, struct tb_aws_keys *out, char *why)
{
    const char *profile = asker->profile;
    if (asker->is_profile_wanted && !tb_aws_profile_is_there(asker, profile)) {
        (void)snprintf(why, TB_AWS_WHY,
                       "there is no profile %.64s in ~/.aws/config and ~/.aws/credentials",
                       profile);
        return -ENOENT;
    }
    int got = tb_aws_from_role(asker, profile, 0, out, why);
    if (got == 0)
        got = tb_aws_from_web_identity(asker, out, why);
    if (got == 0)
        got = tb_aws_from_ini(&asker->credentials, profile, out, why);
    if (got == 0)
        got = tb_aws_from_process(asker, profile, out, why);
    return got != 0 ? got : tb_aws_from_ini(&asker->config, profile, out, why);
}

static int refuse_sso(const struct tb_aws_asker *asker, struct tb_aws_keys *out, char *why)
{
    char value[TB_AWS_TEXT];
    (void)out;
    if (!tb_aws_profile_get(asker, asker->profile, "sso_session", value, sizeof(value)) &&
        !tb_aws_profile_get(asker, asker->profile, "sso_start_url", value, sizeof(value)))
        return 0;
    (void)snprintf(why, TB_AWS_WHY,
                   "profile %.48s is of SSO, which needs a person; give it credential_process = "
                   "aws configure export-credentials --profile OTHER --format process",
                   asker->profile);
    return -ENOTSUP;
}

/* The first that has some, or that has some and fails. */
static int ask(const struct tb_aws_asker *asker, struct tb_aws_keys *out, char *why)
{
    static int (*const providers[])(const struct tb_aws_asker *, struct tb_aws_keys *, char *) = {
        tb_aws_from_environment, from_profile, refuse_sso, tb_aws_from_container, tb_aws_from_imds};
    int got = 0;
    for (size_t i = asker->is_profile_first; i < sizeof(providers) / sizeof(providers[0]); i++) {
        got = providers[i](asker, out, why);
        if (got != 0)
            break;
    }
    char last[TB_AWS_WHY];
    memcpy(last, why, sizeof(last));
    if (got == 0 || (got < 0 && strncmp(last, "IMDS: ", 6) == 0)) {
        (void)snprintf(why, TB_AWS_WHY,
                       "no credentials: not in the environment, profile %.48s, a container%s%.80s",
                       asker->profile, last[0] != '\0' ? "; " : " or IMDS", last);
        got = got < 0 ? got : -ENOENT;
    }
    return got;
}

/* ---- keys ---- */

static int64_t now_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

static bool has_keys(const struct tb_aws *aws)
{
    const struct tb_aws_keys *keys = &aws->keys;
    return keys->key_id[0] != '\0' && !aws->are_refused &&
           (keys->expires_ms == 0 || keys->expires_ms > now_ms());
}

static bool end_soon(const struct tb_aws_keys *keys)
{
    return keys->expires_ms != 0 && keys->expires_ms - now_ms() < EARLY_MS;
}

static bool are_same(const struct tb_aws_keys *a, const struct tb_aws_keys *b)
{
    return strcmp(a->key_id, b->key_id) == 0 && strcmp(a->secret, b->secret) == 0 &&
           strcmp(a->session, b->session) == 0;
}

/* Why what came is of no use; NULL: it is. */
static const char *why_useless(const struct tb_aws *aws, bool is_refused)
{
    if (aws->fresh.expires_ms != 0 && aws->fresh.expires_ms <= now_ms())
        return "what came has ended already: is the clock right?";
    if (is_refused && are_same(&aws->fresh, &aws->keys))
        return "AWS refuses these credentials";
    return NULL;
}

static void take(struct tb_aws *aws)
{
    struct patience *patience = &aws->keys_patience;
    if (!are_same(&aws->fresh, &aws->keys))
        patience->n_failures = 0;
    aws->keys = aws->fresh;
    aws->are_refused = false;
    patience->err = 0;
    patience->next_ns = 0;
    if (!end_soon(&aws->keys))
        return;
    int64_t left_ms = aws->keys.expires_ms - now_ms();
    wait_ms(patience, left_ms < SPARE_MS ? left_ms : SPARE_MS);
}

/* is_refused: the same ones are of no use. */
static void renew(struct tb_aws *aws, bool is_refused)
{
    struct patience *patience = &aws->keys_patience;
    struct tb_aws_asker asker;
    char region[REGION];
    patience->why[0] = '\0';
    int got = asker_start(aws, &asker, region);
    if (got == 0)
        got = ask(&asker, &aws->fresh, patience->why);
    const char *useless = got == 1 ? why_useless(aws, is_refused) : NULL;
    if (useless != NULL) {
        (void)snprintf(patience->why, sizeof(patience->why), "%.80s: %s", aws->fresh.source,
                       useless);
        got = -EACCES;
    }
    if (got == 1)
        take(aws);
    else
        fail(patience, got < 0 ? got : -ENOENT);
    explicit_bzero(&aws->fresh, sizeof(aws->fresh));
    tb_aws_profiles_done(&asker);
}

int tb_aws_credentials(struct tb_aws *aws, bool is_refused, struct tb_sink_credentials *out,
                       char why[TB_AWS_WHY])
{
    struct patience *patience = &aws->keys_patience;
    bool is_news = is_refused && !aws->are_refused && aws->keys.key_id[0] != '\0';
    if (is_news)
        aws->are_refused = true;
    if ((!has_keys(aws) || end_soon(&aws->keys)) &&
        (may_ask(patience) || (is_news && patience->err == 0)))
        renew(aws, is_news);
    if (!has_keys(aws)) {
        if (patience->err == 0) /* they ended between two asks */
            patience->err = -EKEYEXPIRED;
        return say(patience, why);
    }
    *out = (struct tb_sink_credentials){aws->keys.key_id, aws->keys.secret, aws->keys.session};
    return 0;
}

/* ---- the region ---- */

/* It becomes a part of host names: whoever says it must not choose the host. */
static int check_region(const char *region, char *why)
{
    char url[256];
    int err = tb_sigv4_endpoint(region, "sts", url, sizeof(url));
    if (err < 0)
        (void)snprintf(why, TB_AWS_WHY, "no region: \"%.40s\" is none; one is like ca-central-1",
                       region);
    return err;
}

static int find_region(struct tb_aws *aws)
{
    struct tb_aws_asker asker;
    char region[REGION];
    char *why = aws->region_patience.why;
    why[0] = '\0';
    int err = asker_start(aws, &asker, region);
    if (err == 0 && region[0] == '\0' && (err = tb_aws_imds_region(&asker, region, why)) < 0) {
        char last[TB_AWS_WHY];
        memcpy(last, why, sizeof(last));
        (void)snprintf(why, TB_AWS_WHY, "no region: set AWS_REGION or aws.region (%.100s)", last);
    }
    tb_aws_profiles_done(&asker);
    if (err == 0)
        err = check_region(region, why);
    if (err == 0)
        memcpy(aws->region, region, sizeof(region));
    return err;
}

const char *tb_aws_region(struct tb_aws *aws, char why[TB_AWS_WHY])
{
    if (aws->region[0] == '\0' && may_ask(&aws->region_patience)) {
        int err = find_region(aws);
        if (err < 0)
            fail(&aws->region_patience, err);
    }
    if (aws->region[0] != '\0')
        return aws->region;
    (void)say(&aws->region_patience, why);
    return NULL;
}
