/* aws_world.h - an environment without anything of AWS, a HOME of its own, and a server that stands
 * for those of AWS. */
#ifndef TB_TESTS_AGENT_AWS_WORLD_H
#define TB_TESTS_AGENT_AWS_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../http_server.h"
#include "agent/aws/aws.h"

struct aws_world {
    char home[64];
    struct http_server *server;
    struct tb_aws *aws;
    struct tb_sink_credentials keys;
    char why[TB_AWS_WHY];
};

static struct aws_world world;

static inline void clear_environment(void)
{
    static const char *const names[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_SECURITY_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_DEFAULT_PROFILE",
                                        "AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_CONFIG_FILE",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_ROLE_ARN",
                                        "AWS_ROLE_SESSION_NAME",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_STS",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
}

static inline int world_make(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    clear_environment();
    (void)snprintf(world.home, sizeof(world.home), "/tmp/towbar-aws.XXXXXX");
    if (mkdtemp(world.home) == NULL)
        return -1;
    setenv("HOME", world.home, 1);
    return 0;
}

static inline int world_drop(void **state)
{
    static const char *const names[] = {
        ".aws/config", ".aws/credentials", ".aws", "token", "tool", "ran", ""};
    char path[128];
    (void)state;
    tb_aws_free(world.aws);
    if (world.server != NULL)
        http_server_stop(world.server);
    http_server_free(world.server);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", world.home, names[i]);
        (void)remove(path);
    }
    return 0;
}

static inline void put_file(const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/.aws", world.home);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%s/%s", world.home, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* What all requests get, unless a test answers itself: the server's threads look it up. */
static pthread_mutex_t answer_lock = PTHREAD_MUTEX_INITIALIZER;
static struct http_answer answer_now;

static inline void answer_all(struct http_answer answer)
{
    pthread_mutex_lock(&answer_lock);
    answer_now = answer;
    pthread_mutex_unlock(&answer_lock);
}

static inline struct http_answer answer_it(void *arg, const struct http_request *request)
{
    (void)arg;
    (void)request;
    pthread_mutex_lock(&answer_lock);
    struct http_answer answer = answer_now;
    pthread_mutex_unlock(&answer_lock);
    return answer;
}

/* Serves on a free port, whose address becomes that variable, with that path behind it. */
static inline void serve(struct http_answer (*answer)(void *, const struct http_request *),
                         const char *variable, const char *path)
{
    char url[128];
    world.server = http_server_start(0, answer, NULL);
    assert_non_null(world.server);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", world.server->port, path);
    setenv(variable, url, 1);
}

static inline void make_aws(const char *region, const char *profile)
{
    char region_text[64], profile_text[64];
    (void)snprintf(region_text, sizeof(region_text), "%s", region);
    (void)snprintf(profile_text, sizeof(profile_text), "%s", profile);
    const struct tb_config_aws config = {.region = region_text, .profile = profile_text};
    tb_aws_free(world.aws);
    world.aws = NULL;
    assert_int_equal(tb_aws_new(&config, &world.aws), 0);
}

static inline int ask(bool is_refused)
{
    world.why[0] = '\0';
    world.keys = (struct tb_sink_credentials){"", "", ""};
    return tb_aws_credentials(world.aws, is_refused, &world.keys, world.why);
}

/* Asks a new object, which must have that key, from there. */
static inline void expect(const char *profile, const char *key_id, const char *source)
{
    make_aws("", profile);
    int err = ask(false);
    if (err < 0)
        fail_msg("%s", world.why);
    assert_string_equal(world.keys.key_id, key_id);
    assert_string_equal(tb_aws_source(world.aws), source);
}

/* Asks a new object, which must have none, and says that. */
static inline void expect_none(const char *profile, const char *word)
{
    make_aws("", profile);
    assert_true(ask(false) < 0);
    if (strstr(world.why, word) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", word, world.why);
}

#endif
