/* test_aws.c - credentials and the region from the environment, profiles and programs. */
#include "aws_world.h"

static void the_environment_comes_first(void **state)
{
    (void)state;
    put_file(".aws/credentials",
             "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
    expect("", "FILE", "profile default");
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    expect("", "ENV", "environment");
    assert_string_equal(world.keys.secret, "secret");
    assert_string_equal(world.keys.session, "");
    setenv("AWS_SECURITY_TOKEN", "old", 1);
    expect("", "ENV", "environment");
    assert_string_equal(world.keys.session, "old");
    setenv("AWS_SESSION_TOKEN", "new", 1);
    expect("", "ENV", "environment");
    assert_string_equal(world.keys.session, "new");
}

static void a_profile_of_the_settings_wins_over_the_environment(void **state)
{
    (void)state;
    put_file(".aws/credentials", "[one]\naws_access_key_id = ONE\naws_secret_access_key = s\n");
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    expect("one", "ONE", "profile one");
    /* The settings took it over from the variable: then it does not. */
    setenv("AWS_PROFILE", "one", 1);
    expect("one", "ENV", "environment");
    expect("", "ENV", "environment");
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    expect("", "ONE", "profile one");
    unsetenv("AWS_PROFILE");
    setenv("AWS_DEFAULT_PROFILE", "one", 1);
    expect("", "ONE", "profile one");
}

static void half_a_key_is_an_error(void **state)
{
    (void)state;
    put_file(".aws/credentials",
             "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n"
             "[half]\naws_secret_access_key = hidden\n"
             "[odd]\naws_access_key_id = a/b\naws_secret_access_key = hidden\n");
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    expect_none("", "without its secret");
    unsetenv("AWS_ACCESS_KEY_ID");
    expect_none("half", "without a key's ID");
    assert_null(strstr(world.why, "hidden"));
    expect_none("odd", "no key");
    assert_null(strstr(world.why, "hidden"));
}

static void files_stand_where_the_variables_say(void **state)
{
    char path[128];
    (void)state;
    put_file("token", "[x]\naws_access_key_id = X\naws_secret_access_key = s\n");
    (void)snprintf(path, sizeof(path), "%s/token", world.home);
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    expect("x", "X", "profile x");
    setenv("AWS_SHARED_CREDENTIALS_FILE", "~/token", 1);
    expect("x", "X", "profile x");
    unsetenv("AWS_SHARED_CREDENTIALS_FILE");
    expect_none("x", "there is no profile x");
    put_file("token", "[profile x]\naws_access_key_id = Y\naws_secret_access_key = s\n");
    setenv("AWS_CONFIG_FILE", path, 1);
    expect("x", "Y", "profile x");
}

static void nothing_anywhere_says_where_was_looked(void **state)
{
    (void)state;
    expect_none("", "not in the environment, profile default, a container or IMDS");
    setenv("AWS_PROFILE", "gone", 1);
    expect_none("", "there is no profile gone");
    unsetenv("HOME");
    unsetenv("AWS_PROFILE");
    expect_none("", "no credentials");
}

static void a_file_of_another_kind_is_none(void **state)
{
    char path[128];
    (void)state;
    put_file("token", "");
    (void)snprintf(path, sizeof(path), "%s/.aws", world.home);
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    setenv("AWS_CONFIG_FILE", "/dev/zero", 1);
    expect_none("", "no credentials");
}

static void sso_needs_a_person(void **state)
{
    (void)state;
    put_file(".aws/config", "[profile s]\nsso_session = x\n"
                            "[profile t]\nsso_start_url = x\naws_access_key_id = T\n"
                            "aws_secret_access_key = s\n");
    expect_none("s", "SSO");
    assert_non_null(strstr(world.why, "credential_process"));
    expect("t", "T", "profile t");
}

/* ---- programs ---- */

static void put_tool(const char *script)
{
    char path[128], config[512];
    put_file("tool", script);
    (void)snprintf(path, sizeof(path), "%s/tool", world.home);
    assert_int_equal(chmod(path, 0700), 0);
    (void)snprintf(config, sizeof(config),
                   "[default]\ncredential_process = \"%s\" 'one two' $(touch %s/ran) ; echo\n",
                   path, world.home);
    put_file(".aws/config", config);
}

static void a_program_prints_credentials(void **state)
{
    char path[128];
    (void)state;
    put_tool("#!/bin/sh\n[ \"$1\" = 'one two' ] && [ \"$2\" = '$(touch' ] || exit 1\n"
             "echo '{\"Version\": 1, \"AccessKeyId\": \"P\", \"SecretAccessKey\": \"s\","
             "\"SessionToken\": \"t\", \"Expiration\": \"2100-01-01T00:00:00Z\"}'\n");
    expect("", "P", "credential_process of profile default");
    assert_string_equal(world.keys.session, "t");
    (void)snprintf(path, sizeof(path), "%s/ran", world.home);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_program_that_fails_says_no_secret(void **state)
{
    (void)state;
    put_tool("#!/bin/sh\necho hidden; echo hidden >&2; exit 3\n");
    expect_none("", "it failed");
    put_tool("#!/bin/sh\necho '{\"Version\": 2, \"AccessKeyId\": \"hidden\"}'\n");
    expect_none("", "a version that is not 1");
    put_tool("#!/bin/sh\necho '{\"Version\": 1, \"AccessKeyId\": \"hidden\"}'\n");
    expect_none("", "no credentials in the answer");
    put_tool("#!/bin/sh\necho '{\"Version\": 1, \"AccessKeyId\": \"hidden\", \"SecretAccessKey\":"
             "\"hidden\\nx\"}'\n");
    expect_none("", "no credentials in the answer");
    put_tool("#!/bin/sh\nexec cat /dev/zero\n");
    expect_none("", "more than 64 KiB");
    put_file(".aws/config", "[default]\ncredential_process = /nowhere/tool hidden\n");
    expect_none("", "No such file");
    put_file(".aws/config", "[default]\ncredential_process = 'hidden\n");
    expect_none("", "Invalid argument");
    assert_null(strstr(world.why, "hidden"));
}

static void an_end_is_a_time_of_iso_8601(void **state)
{
    static const struct {
        const char *end;
        bool is_well;
    } cases[] = {{"2100-01-01T00:00:00Z", true},
                 {"2100-01-01T00:00:00.123Z", true},
                 {"2100-01-01T00:00:00+00:00", true},
                 {"2100-01-01T00:00:00-05:30", true},
                 {"2100-01-01T00:00:00+0000", false},
                 {"2100-01-01T00:00:00", false},
                 {"2100-01-01T00:00:00+aa:bb", false},
                 {"4102444800", false},
                 {"", true}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char script[256];
        (void)snprintf(script, sizeof(script),
                       "#!/bin/sh\necho '{\"Version\": 1, \"AccessKeyId\": \"P\","
                       "\"SecretAccessKey\": \"s\", \"Expiration\": \"%s\"}'\n",
                       cases[i].end);
        put_tool(script);
        make_aws("", "");
        assert_int_equal(ask(false) == 0, cases[i].is_well);
    }
}

static void a_program_is_given_up_when_nobody_waits_for_it(void **state)
{
    static const atomic_bool is_over = true;
    (void)state;
    put_tool("#!/bin/sh\nexec sleep 1000\n");
    make_aws("", "");
    tb_aws_watch(world.aws, &is_over);
    assert_int_equal(ask(false), -ECANCELED);
}

/* ---- the region ---- */

static void the_region_has_its_order(void **state)
{
    (void)state;
    put_file(".aws/config", "[default]\nregion = of-default\n[profile x]\nregion = of-x\n");
    make_aws("", "");
    assert_string_equal(tb_aws_region(world.aws, world.why), "of-default");
    make_aws("", "x");
    assert_string_equal(tb_aws_region(world.aws, world.why), "of-x");
    setenv("AWS_DEFAULT_REGION", "of-default-variable", 1);
    make_aws("", "x");
    assert_string_equal(tb_aws_region(world.aws, world.why), "of-default-variable");
    setenv("AWS_REGION", "of-variable", 1);
    make_aws("", "x");
    assert_string_equal(tb_aws_region(world.aws, world.why), "of-variable");
    make_aws("of-settings", "x");
    assert_string_equal(tb_aws_region(world.aws, world.why), "of-settings");
}

static void a_region_that_would_choose_the_host_is_none(void **state)
{
    static const char *const regions[] = {"x@elsewhere.example#", "x/y", "eu west 1", "EU"};
    (void)state;
    for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
        setenv("AWS_REGION", regions[i], 1);
        make_aws("", "");
        assert_null(tb_aws_region(world.aws, world.why));
        assert_non_null(strstr(world.why, "no region"));
    }
}

static void no_region_says_what_to_set(void **state)
{
    (void)state;
    make_aws("", "");
    assert_null(tb_aws_region(world.aws, world.why));
    assert_non_null(strstr(world.why, "AWS_REGION"));
    world.why[0] = '\0';
    assert_null(tb_aws_region(world.aws, world.why));
    assert_non_null(strstr(world.why, "AWS_REGION"));
}

static void keys_that_are_refused_and_stay_are_an_error(void **state)
{
    (void)state;
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "hidden", 1);
    make_aws("", "");
    assert_string_equal(tb_aws_source(world.aws), "");
    assert_int_equal(ask(false), 0);
    assert_int_equal(ask(true), -EACCES);
    assert_string_equal(world.why, "environment: AWS refuses these credentials");
    assert_int_equal(ask(false), -EACCES);
    assert_string_equal(world.why, "environment: AWS refuses these credentials");
    assert_int_equal(ask(true), -EACCES);
}

static void keys_that_were_changed_in_the_file_are_taken(void **state)
{
    (void)state;
    put_file(".aws/credentials", "[default]\naws_access_key_id = A\naws_secret_access_key = s\n");
    make_aws("", "");
    assert_int_equal(ask(false), 0);
    put_file(".aws/credentials", "[default]\naws_access_key_id = B\naws_secret_access_key = s\n");
    assert_int_equal(ask(false), 0);
    assert_string_equal(world.keys.key_id, "A");
    assert_int_equal(ask(true), 0);
    assert_string_equal(world.keys.key_id, "B");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_make, world_drop)
    const struct CMUnitTest tests[] = {
        TEST(the_environment_comes_first),
        TEST(a_profile_of_the_settings_wins_over_the_environment),
        TEST(half_a_key_is_an_error),
        TEST(files_stand_where_the_variables_say),
        TEST(nothing_anywhere_says_where_was_looked),
        TEST(a_file_of_another_kind_is_none),
        TEST(sso_needs_a_person),
        TEST(a_program_prints_credentials),
        TEST(a_program_that_fails_says_no_secret),
        TEST(an_end_is_a_time_of_iso_8601),
        TEST(a_program_is_given_up_when_nobody_waits_for_it),
        TEST(the_region_has_its_order),
        TEST(a_region_that_would_choose_the_host_is_none),
        TEST(no_region_says_what_to_set),
        TEST(keys_that_are_refused_and_stay_are_an_error),
        TEST(keys_that_were_changed_in_the_file_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
