/* config_sinks.c - see config_sinks.h and config_sinks_load.h. */
#include "agent/config/config_sinks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config/config_apply.h"
#include "agent/config/config_settings.h"
#include "agent/config/config_sinks_load.h"
#include "agent/config/groups.h"
#include "item/link.h"

enum { NAME_BYTES = 32, LINK_NAME_BYTES = 64 };

#define AT(member) offsetof(struct tb_config_sinks, member)

/* Every owned text. */
static const size_t texts[] = {AT(otlp.endpoint),
                               AT(otlp.traces_endpoint),
                               AT(otlp.key_from),
                               AT(otlp.honeycomb_team),
                               AT(otlp.honeycomb_environment),
                               AT(otlp.ca_file),
                               AT(otlp.client_cert_file),
                               AT(otlp.client_key_file),
                               AT(otlp.group),
                               AT(xray.udp_address),
                               AT(xray.tcp_address),
                               AT(xray.endpoint),
                               AT(xray.name),
                               AT(xray.name_pattern),
                               AT(xray.origin),
                               AT(xray.sampling_rules),
                               AT(xray.group),
                               AT(cloudwatch.log_group),
                               AT(cloudwatch.log_stream),
                               AT(cloudwatch.endpoint),
                               AT(cloudwatch.group),
                               AT(aws.region),
                               AT(aws.profile)};
enum { N_TEXTS = sizeof(texts) / sizeof(texts[0]) };

static char **text_at(struct tb_config_sinks *sinks, size_t i)
{
    return (char **)(void *)((char *)sinks + texts[i]);
}

static void *zeroed(size_t n, size_t size)
{
    void *mem = calloc(n > 0 ? n : 1, size);
    if (mem == NULL)
        abort();
    return mem;
}

/* ---- memory ---- */

void tb_config_sinks_done(struct tb_config_sinks *sinks)
{
    if (sinks == NULL)
        return;
    for (size_t i = 0; i < N_TEXTS; i++)
        free(*text_at(sinks, i));
    for (size_t i = 0; i < sinks->otlp.n_headers; i++) {
        explicit_bzero(sinks->otlp.headers[i], strlen(sinks->otlp.headers[i]));
        free(sinks->otlp.headers[i]);
    }
    free((void *)sinks->otlp.headers);
    for (size_t i = 0; i < sinks->n_groups; i++) {
        free(sinks->groups[i].name);
        free(sinks->groups[i].filter);
    }
    free(sinks->groups);
    for (size_t i = 0; i < sinks->n_links; i++) {
        free(sinks->links[i].name);
        free(sinks->links[i].url);
    }
    free(sinks->links);
    memset(sinks, 0, sizeof(*sinks));
}

void tb_config_sinks_copy(const struct tb_config_sinks *from, struct tb_config_sinks *out)
{
    *out = *from;
    for (size_t i = 0; i < N_TEXTS; i++) {
        const char *text = *text_at(out, i);
        *text_at(out, i) = NULL;
        tb_config_set(text_at(out, i), text != NULL ? text : "");
    }
    out->otlp.headers = zeroed(from->otlp.n_headers, sizeof(*out->otlp.headers));
    for (size_t i = 0; i < from->otlp.n_headers; i++)
        tb_config_set(&out->otlp.headers[i], from->otlp.headers[i]);
    out->groups = zeroed(from->n_groups, sizeof(*out->groups));
    for (size_t i = 0; i < from->n_groups; i++) {
        tb_config_set(&out->groups[i].name, from->groups[i].name);
        tb_config_set(&out->groups[i].filter, from->groups[i].filter);
    }
    out->links = zeroed(from->n_links, sizeof(*out->links));
    for (size_t i = 0; i < from->n_links; i++) {
        tb_config_set(&out->links[i].name, from->links[i].name);
        tb_config_set(&out->links[i].url, from->links[i].url);
    }
}

void tb_config_sinks_off(struct tb_config_sinks *sinks)
{
    tb_config_sinks_done(sinks);
    for (size_t i = 0; i < N_TEXTS; i++)
        tb_config_set(text_at(sinks, i), "");
}

/* ---- single values ---- */

/* What is wrong with variables that others than towbar read too: of no account where the sink is
 * off. */
enum section { OTLP, XRAY, CLOUDWATCH, AWS, N_SECTIONS };
struct doubts {
    char why[N_SECTIONS][TB_CONFIG_WHY]; /* the first of each; "" for none */
};

static enum section section_of(const char *key)
{
    static const char *const names[] = {"otlp.", "xray.", "cloudwatch."};
    for (int i = 0; i < AWS; i++)
        if (strncmp(key, names[i], strlen(names[i])) == 0)
            return (enum section)i;
    return AWS;
}

/* Those turn a sink on. */
static bool is_switch(const char *key)
{
    return strcmp(key, "otlp.endpoint") == 0 || strcmp(key, "xray.address") == 0;
}

static int take_setting(struct tb_config *c, const struct tb_config_file *file,
                        const struct tb_setting *s, struct doubts *doubts, char why[TB_CONFIG_WHY])
{
    struct tb_setting_value value;
    char fault[TB_SETTING_FAULT];
    void *field = (char *)&c->sinks + s->field;
    tb_setting_find(s, file, &value);
    int err = s->take(s, &value, field, fault);
    if (!err)
        return 0;
    bool is_foreign = value.variable != NULL && value.variable[0] != '\0' && !is_switch(s->key);
    char *doubt = doubts->why[section_of(s->key)];
    tb_setting_explain(c, s->key, value.variable, fault, why);
    if (!is_foreign)
        return err;
    if (doubt[0] == '\0')
        snprintf(doubt, TB_CONFIG_WHY, "%s", why);
    value = (struct tb_setting_value){.variable = NULL};
    snprintf(value.text, sizeof(value.text), "%s", s->initial != NULL ? s->initial : "");
    return s->take(s, &value, field, fault);
}

static int take_settings(struct tb_config *c, const struct tb_config_file *file,
                         struct doubts *doubts, char why[TB_CONFIG_WHY])
{
    int err = 0;
    for (size_t i = 0; i < tb_n_settings && !err; i++)
        err = take_setting(c, file, &tb_settings[i], doubts, why);
    return err;
}

/* Once it is known which sinks are on. */
static int settle_doubts(struct tb_config *c, const struct doubts *doubts, char why[TB_CONFIG_WHY])
{
    const struct tb_config_sinks *sinks = &c->sinks;
    bool has_logs = sinks->cloudwatch.log_group[0] != '\0';
    const bool is_on[N_SECTIONS] = {[OTLP] = sinks->otlp.endpoint[0] != '\0',
                                    [XRAY] = sinks->xray.mode != TB_XRAY_OFF,
                                    [CLOUDWATCH] = has_logs,
                                    [AWS] = has_logs || sinks->xray.mode == TB_XRAY_API};
    for (int i = 0; i < N_SECTIONS; i++) {
        if (doubts->why[i][0] == '\0')
            continue;
        if (is_on[i]) {
            snprintf(why, TB_CONFIG_WHY, "%s", doubts->why[i]);
            return -EINVAL;
        }
        tb_config_warn(c, "%s (not needed now: its sink is off)", doubts->why[i]);
    }
    return 0;
}

static void take_xray_mode(struct tb_config *c, const struct tb_config_file *file)
{
    struct tb_config_xray *x = &c->sinks.xray;
    struct tb_setting_value mode;
    struct tb_setting_value address;
    const char *enabled = getenv("AWS_XRAY_SDK_ENABLED");
    tb_setting_get("xray.mode", file, &mode);
    tb_setting_get("xray.address", file, &address);
    if (mode.text[0] == '\0')
        x->mode = address.text[0] != '\0' ? TB_XRAY_DAEMON : TB_XRAY_OFF;
    if (enabled != NULL && strcasecmp(enabled, "false") == 0)
        x->mode = TB_XRAY_OFF;
    /* It was looked at already. */
    (void)tb_setting_addresses(address.text[0] != '\0' ? address.text : "127.0.0.1:2000",
                               &x->udp_address, &x->tcp_address);
}

/* ---- lists ---- */

static int refuse(const struct tb_config *c, const char *key, const char *fault,
                  char why[TB_CONFIG_WHY])
{
    tb_setting_explain(c, key, NULL, fault, why);
    return -EINVAL;
}

static int take_omit(struct tb_config *c, const char *key, char *const *words, unsigned n,
                     struct tb_sink_omit *out, char why[TB_CONFIG_WHY])
{
    char fault[TB_SETTING_FAULT];
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(words[i], "source") == 0) {
            out->source = true;
        } else if (strcmp(words[i], "request") == 0) {
            out->request = true;
        } else if (strcmp(words[i], "person") == 0) {
            out->person = true;
        } else {
            snprintf(fault, sizeof(fault),
                     "has \"%.40s\": it may have \"source\", \"request\" and \"person\"", words[i]);
            return refuse(c, key, fault, why);
        }
    }
    return 0;
}

static int take_omits(struct tb_config *c, const struct tb_config_file *f, char why[TB_CONFIG_WHY])
{
    int err = 0;
    if (f->otlp != NULL)
        err =
            take_omit(c, "otlp.omit", f->otlp->omit, f->otlp->omit_count, &c->sinks.otlp.omit, why);
    if (!err && f->xray != NULL)
        err =
            take_omit(c, "xray.omit", f->xray->omit, f->xray->omit_count, &c->sinks.xray.omit, why);
    if (!err && f->cloudwatch != NULL)
        err = take_omit(c, "cloudwatch.omit", f->cloudwatch->omit, f->cloudwatch->omit_count,
                        &c->sinks.cloudwatch.omit, why);
    return err;
}

static bool is_group_name(const char *name)
{
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");
    return len > 0 && len <= NAME_BYTES && name[len] == '\0';
}

static const struct tb_config_group *find_group(const struct tb_config_sinks *sinks,
                                                const char *name)
{
    for (size_t i = 0; i < sinks->n_groups; i++)
        if (sinks->groups[i].name != NULL && strcmp(sinks->groups[i].name, name) == 0)
            return &sinks->groups[i];
    return NULL;
}

static int take_groups(struct tb_config *c, const struct tb_config_file *f, char why[TB_CONFIG_WHY])
{
    struct tb_config_sinks *sinks = &c->sinks;
    char fault[TB_SETTING_FAULT];
    if (f->groups_count > TB_CONFIG_GROUPS)
        return refuse(c, "groups", "has too many entries: there may be 64", why);
    sinks->groups = zeroed(f->groups_count, sizeof(*sinks->groups));
    for (unsigned i = 0; i < f->groups_count; i++) {
        const char *name = f->groups[i].name != NULL ? f->groups[i].name : "";
        const char *filter = f->groups[i].filter != NULL ? f->groups[i].filter : "";
        const char *bad = NULL;
        if (!is_group_name(name))
            bad = "has a name that X-Ray would not take: 1 to 32 of A-Z, a-z, 0-9 and \"-\"";
        else if (find_group(sinks, name) != NULL)
            bad = "has a name that another has too";
        else if (filter[0] == '\0')
            bad = "has no filter, like 'service(\"backend-flask\") {fault OR error}'";
        if (bad != NULL) {
            snprintf(fault, sizeof(fault), "entry %u (\"%.40s\") %s", i + 1, name, bad);
            return refuse(c, "groups", fault, why);
        }
        struct tb_config_group *group = &sinks->groups[sinks->n_groups++];
        tb_config_set(&group->name, name);
        tb_config_set(&group->filter, filter);
    }
    return 0;
}

static const char *link_fault(const char *name, const char *url, char room[TB_LINK_WHY])
{
    for (const char *n = name; *n != '\0'; n++)
        if ((unsigned char)*n < ' ' || *n == 0x7f)
            return "has a name with control characters";
    if (name[0] == '\0' || strlen(name) > LINK_NAME_BYTES)
        return "has no name, or one of over 64 bytes";
    return tb_link_check(url, room) != 0 ? room : NULL;
}

static int take_links(struct tb_config *c, const struct tb_config_file *f, char why[TB_CONFIG_WHY])
{
    struct tb_config_sinks *sinks = &c->sinks;
    char fault[TB_SETTING_FAULT];
    char room[TB_LINK_WHY];
    if (f->links_count > TB_CONFIG_LINKS)
        return refuse(c, "links", "has too many entries: there may be 16", why);
    sinks->links = zeroed(f->links_count, sizeof(*sinks->links));
    for (unsigned i = 0; i < f->links_count; i++) {
        const char *name = f->links[i].name != NULL ? f->links[i].name : "";
        const char *url = f->links[i].url != NULL ? f->links[i].url : "";
        const char *bad = link_fault(name, url, room);
        if (bad != NULL) {
            snprintf(fault, sizeof(fault), "entry %u (\"%.40s\") %s", i + 1, name, bad);
            return refuse(c, "links", fault, why);
        }
        struct tb_config_link *link = &sinks->links[sinks->n_links++];
        tb_config_set(&link->name, name);
        tb_config_set(&link->url, url);
    }
    return 0;
}

/* Who names a group names one that is there. */
static int check_group_names(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    const struct tb_config_sinks *sinks = &c->sinks;
    const struct {
        const char *key, *name;
    } users[] = {{"otlp.group", sinks->otlp.group},
                 {"xray.group", sinks->xray.group},
                 {"cloudwatch.group", sinks->cloudwatch.group}};
    struct tb_setting_value value;
    char fault[TB_SETTING_FAULT];
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        if (users[i].name[0] == '\0' || find_group(sinks, users[i].name) != NULL)
            continue;
        snprintf(fault, sizeof(fault), "is \"%.32s\", and groups has none of that name",
                 users[i].name);
        tb_setting_get(users[i].key, NULL, &value);
        tb_setting_explain(c, users[i].key, value.variable, fault, why);
        return -EINVAL;
    }
    for (size_t i = 0; i < c->n_projects; i++) {
        const char *name = c->projects[i].group;
        if (name[0] == '\0' || find_group(sinks, name) != NULL)
            continue;
        snprintf(fault, sizeof(fault),
                 "entry %zu: group is \"%.32s\", and groups has none of that "
                 "name",
                 i + 1, name);
        return refuse(c, "projects", fault, why);
    }
    return 0;
}

/* ---- all of it ---- */

int tb_config_sinks_load(struct tb_config *c, const struct tb_config_file *file,
                         char why[TB_CONFIG_WHY])
{
    tb_config_sinks_off(&c->sinks);
    struct doubts doubts;
    memset(&doubts, 0, sizeof(doubts));
    int err = take_settings(c, file, &doubts, why);
    if (err)
        return err;
    take_xray_mode(c, file);
    if ((err = tb_config_otlp_finish(c, file, why)) || (err = settle_doubts(c, &doubts, why)) ||
        (err = tb_config_otlp_check(c, why)))
        return err;
    if (file != NULL && ((err = take_omits(c, file, why)) || (err = take_groups(c, file, why)) ||
                         (err = take_links(c, file, why))))
        return err;
    err = check_group_names(c, why);
    return err ? err : tb_groups_check(c, why);
}

bool tb_config_sinks_variable(const char *name, size_t len)
{
    char own[80];
    for (size_t i = 0; i < tb_n_settings; i++) {
        tb_setting_variable(tb_settings[i].key, own);
        if (strlen(own) == len && memcmp(own, name, len) == 0)
            return true;
    }
    return false;
}
