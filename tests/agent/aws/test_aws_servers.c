/* test_aws_servers.c - credentials from a container's server, the instance's and the STS, each as a
 * real server on loopback that does as it should, or not. */
#include "aws_world.h"

#define KEYS(id)                                                                                   \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"s/+=\",\"Token\":"     \
    "\"t/+=\",\"Expiration\":\"2100-01-01T00:00:00Z\"}"
#define XML_KEYS(id)                                                                               \
    "<R><AssumeResult><AssumedRoleUser><Arn>x</Arn></"                                             \
    "AssumedRoleUser><Credentials><AccessKeyId>" id                                                \
    "</AccessKeyId><SecretAccessKey>s/+=</SecretAccessKey><SessionToken>t/+=</SessionToken>"       \
    "<Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeResult></R>"

static const char *head_of(int number)
{
    return world.server->requests[number].head;
}

/* ---- a container ---- */

static void a_container_gives_keys_for_its_token(void **state)
{
    char path[128];
    (void)state;
    answer_all((struct http_answer){.status = 200, .body = KEYS("C")});
    serve(answer_it, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "/creds?id=1");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc", 1);
    expect("", "C", "container");
    assert_string_equal(world.keys.secret, "s/+=");
    assert_string_equal(world.keys.session, "t/+=");
    assert_true(strncmp(head_of(0), "GET /creds?id=1 HTTP/1.1\r\n", 26) == 0);
    assert_non_null(strstr(head_of(0), "\r\nAuthorization: Basic abc\r\n"));
    put_file("token", "from file\n");
    (void)snprintf(path, sizeof(path), "%s/token", world.home);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, 1);
    expect("", "C", "container");
    assert_non_null(strstr(head_of(1), "\r\nAuthorization: from file\r\n"));
    put_file("token", "a\x01b");
    expect_none("", "authorization token");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nowhere/token", 1);
    expect_none("", "/nowhere/token: No such file");
    assert_int_equal(http_server_count(world.server), 2);
}

static void keys_are_asked_of_this_host_alone(void **state)
{
    static const char *const urls[] = {"http://example.com/x",
                                       "http://127.0.0.1.example.com/x",
                                       "http://127.0.0.1@example.com/x",
                                       "http://169.254.170.3/x",
                                       "http://localhost.example.com/",
                                       "http://localhost%00.example.com/",
                                       "http://localhost\\@example.com/",
                                       "http://0x7f000001.example/",
                                       "http://[::ffff:8.8.8.8]/",
                                       "http://[fd00:ec2::23%25eth0]/",
                                       "http://2130706434/",
                                       "http://:@example.com/",
                                       "http:///x",
                                       "http://[::2]/x",
                                       "http://128.0.0.1/",
                                       "ftp://127.0.0.1/",
                                       "/x"};
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", urls[i], 1);
        expect_none("", "must be https");
    }
}

static void a_server_that_gives_no_keys_is_said(void **state)
{
    static const struct {
        struct http_answer answer;
        const char *why;
    } cases[] = {
        {{.status = 403, .body = "{\"message\":\"hidden\"}"}, "container: HTTP 403"},
        {{.status = 302, .headers = "Location: http://127.0.0.1:1/\r\n"}, "container: HTTP 302"},
        {{.status = 200, .body = "<html>hidden"}, "no credentials in the answer"},
        {{.status = 200, .body = "{\"Code\":\"Failed\",\"Message\":\"hidden\"}"},
         "no credentials in the answer"},
        {{.status = 200,
          .body = "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"hidden\","
                  "\"Expiration\":\"soon\"}"},
         "no credentials in the answer"},
        {{.status = 200,
          .body = "{\"AccessKeyId\":\"a/b, SignedHeaders=\",\"SecretAccessKey\":\"hidden\"}"},
         "no credentials in the answer"},
        {{.status = 200, .body = "{\"AccessKeyId\":\"a/b\",\"SecretAccessKey\":\"hidden\"}"},
         "no credentials in the answer"},
        {{.status = 200,
          .body = "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"hidden\","
                  "\"Expiration\":\"2001-01-01T00:00:00Z\"}"},
         "ended already"},
        {{.how = HTTP_CLOSE}, "container: "},
        {{.how = HTTP_ENDLESS, .status = 200}, "more than 65536 bytes"}};
    (void)state;
    serve(answer_it, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "/");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        answer_all(cases[i].answer);
        expect_none("", cases[i].why);
        assert_null(strstr(world.why, "hidden"));
    }
}

static void asking_again_is_put_off(void **state)
{
    (void)state;
    answer_all((struct http_answer){.status = 500, .body = ""});
    serve(answer_it, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "/");
    expect_none("", "HTTP 500");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ask(false), -EACCES);
        assert_non_null(strstr(world.why, "HTTP 500"));
    }
    assert_int_equal(http_server_count(world.server), 1);
}

/* ---- the instance ---- */

static struct http_answer imds(void *arg, const struct http_request *request)
{
    const char *head = request->head;
    (void)arg;
    if (strncmp(head, "PUT /latest/api/token HTTP", 26) == 0)
        return strstr(head, "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n")
                   ? (struct http_answer){.status = 200, .body = "TOKEN=="}
                   : (struct http_answer){.status = 400};
    if (strstr(head, "\r\nX-aws-ec2-metadata-token: TOKEN==\r\n") == NULL)
        return (struct http_answer){.status = 401};
    if (strncmp(head, "GET /latest/meta-data/iam/security-credentials/ HTTP", 52) == 0)
        return (struct http_answer){.status = 200, .body = "my-role\nother\n"};
    if (strncmp(head, "GET /latest/meta-data/iam/security-credentials/my-role HTTP", 59) == 0)
        return (struct http_answer){.status = 200, .body = KEYS("I")};
    if (strncmp(head, "GET /latest/dynamic/instance-identity/document HTTP", 51) == 0)
        return (struct http_answer){.status = 200, .body = "{\"region\":\"eu-west-3\"}"};
    return (struct http_answer){.status = 404};
}

static void an_instance_gives_keys_and_the_region(void **state)
{
    (void)state;
    unsetenv("AWS_EC2_METADATA_DISABLED");
    serve(imds, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "/");
    expect("", "I", "IMDS");
    assert_int_equal(http_server_count(world.server), 3);
    assert_string_equal(tb_aws_region(world.aws, world.why), "eu-west-3");
    assert_string_equal(tb_aws_region(world.aws, world.why), "eu-west-3");
    assert_int_equal(http_server_count(world.server), 5);
    setenv("AWS_EC2_METADATA_DISABLED", "True", 1);
    expect_none("", "no credentials");
    assert_int_equal(http_server_count(world.server), 5);
}

static void no_proxy_is_asked_for_the_instance(void **state)
{
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    unsetenv("AWS_EC2_METADATA_DISABLED");
    serve(imds, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "");
    expect("", "I", "IMDS");
    unsetenv("http_proxy");
    unsetenv("all_proxy");
}

static struct http_answer no_role(void *arg, const struct http_request *request)
{
    (void)arg;
    if (strncmp(request->head, "PUT ", 4) == 0)
        return (struct http_answer){.status = 200, .body = "TOKEN"};
    return answer_it(NULL, request);
}

static void an_instance_without_a_role_is_said(void **state)
{
    (void)state;
    unsetenv("AWS_EC2_METADATA_DISABLED");
    serve(no_role, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "");
    answer_all((struct http_answer){.status = 404});
    expect_none("", "the instance has no role");
    answer_all((struct http_answer){.status = 200, .body = "../../x"});
    expect_none("", "the instance has no role");
    answer_all((struct http_answer){.status = 200, .body = ""});
    expect_none("", "the instance has no role");
    answer_all((struct http_answer){.status = 302, .headers = "Location: http://127.0.0.1:1/\r\n"});
    expect_none("", "IMDS: HTTP 302");
    assert_non_null(strstr(world.why, "not in the environment"));
}

static void a_server_is_given_up_when_nobody_waits_for_it(void **state)
{
    static const atomic_bool is_over = true;
    (void)state;
    answer_all((struct http_answer){.how = HTTP_HANG});
    serve(answer_it, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "/");
    make_aws("", "");
    tb_aws_watch(world.aws, &is_over);
    assert_true(ask(false) < 0);
    assert_null(strstr(world.why, "timed out"));
    assert_non_null(strstr(world.why, "aborted"));
}

static void an_instance_that_does_not_answer_costs_a_second(void **state)
{
    (void)state;
    unsetenv("AWS_EC2_METADATA_DISABLED");
    answer_all((struct http_answer){.how = HTTP_HANG});
    serve(answer_it, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "");
    expect_none("", "IMDS: ");
    assert_int_equal(http_server_count(world.server), 1);
    assert_true(ask(false) < 0);
    assert_int_equal(http_server_count(world.server), 1);
}

/* ---- the STS ---- */

static void a_web_identity_is_exchanged_for_keys(void **state)
{
    char path[128];
    (void)state;
    put_file("token", "eyJ.a+b/c=\n");
    (void)snprintf(path, sizeof(path), "%s/token", world.home);
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path, 1);
    expect_none("", "AWS_ROLE_ARN");
    setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/x", 1);
    answer_all((struct http_answer){.status = 200, .body = XML_KEYS("W")});
    serve(answer_it, "AWS_ENDPOINT_URL_STS", "/");
    expect("", "W", "web identity");
    assert_string_equal(world.keys.secret, "s/+=");
    assert_string_equal(world.keys.session, "t/+=");
    assert_string_equal(world.server->requests[0].body,
                        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn="
                        "arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx&RoleSessionName=towbar"
                        "&WebIdentityToken=eyJ.a%2Bb%2Fc%3D");
    assert_null(strstr(head_of(0), "Authorization"));
    /* A new token is read, and what it got before is not used again. */
    put_file("token", "second");
    answer_all((struct http_answer){.status = 200, .body = XML_KEYS("W2")});
    assert_int_equal(ask(true), 0);
    assert_string_equal(world.keys.key_id, "W2");
    assert_non_null(strstr(world.server->requests[1].body, "WebIdentityToken=second"));
    put_file("token", "two words");
    expect_none("", "holds no token");
    (void)remove(path);
    expect_none("", "No such file");
}

static void what_the_sts_repeats_of_the_token_is_hidden(void **state)
{
    char path[128];
    (void)state;
    put_file("token", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl");
    (void)snprintf(path, sizeof(path), "%s/token", world.home);
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path, 1);
    setenv("AWS_ROLE_ARN", "arn", 1);
    answer_all((struct http_answer){
        .status = 400,
        .body = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>Couldn't verify "
                "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl (eyJzdWIiOiJ4In0)</Message>"
                "</Error></ErrorResponse>"});
    serve(answer_it, "AWS_ENDPOINT_URL", "");
    expect_none("", "InvalidIdentityToken: Couldn't verify (secret) ((secret))");
}

static void what_the_sts_refuses_is_said(void **state)
{
    char path[128];
    (void)state;
    put_file("token", "hidden");
    (void)snprintf(path, sizeof(path), "%s/token", world.home);
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path, 1);
    setenv("AWS_ROLE_ARN", "arn", 1);
    answer_all((struct http_answer){
        .status = 400,
        .body = "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException</Code>"
                "<Message>Token expired</Message></Error></ErrorResponse>"});
    serve(answer_it, "AWS_ENDPOINT_URL", "");
    expect_none("", "STS: HTTP 400 ExpiredTokenException: Token expired");
    answer_all((struct http_answer){.status = 200, .body = "<html>"});
    expect_none("", "STS: no credentials");
    answer_all((struct http_answer){.status = 307, .headers = "Location: http://127.0.0.1:1/\r\n"});
    expect_none("", "STS: HTTP 307");
}

static void a_role_is_taken_with_the_keys_of_another_profile(void **state)
{
    (void)state;
    put_file(".aws/config",
             "[profile role]\nrole_arn = arn:x\nsource_profile = base\nexternal_id = e&e\n"
             "duration_seconds = 900\nrole_session_name = me\n"
             "[profile twice]\nrole_arn = arn:y\nsource_profile = role\n");
    put_file(".aws/credentials", "[base]\naws_access_key_id = BASE\naws_secret_access_key = s\n");
    setenv("AWS_REGION", "ca-central-1", 1);
    answer_all((struct http_answer){.status = 200, .body = XML_KEYS("R")});
    serve(answer_it, "AWS_ENDPOINT_URL_STS", "");
    expect("role", "R", "role of profile role");
    assert_string_equal(world.server->requests[0].body,
                        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Ax&RoleSessionName=me"
                        "&DurationSeconds=900&ExternalId=e%26e");
    assert_non_null(strstr(head_of(0), "Authorization: AWS4-HMAC-SHA256 Credential=BASE/"));
    assert_non_null(strstr(head_of(0), "/ca-central-1/sts/aws4_request"));
    expect("twice", "R", "role of profile twice");
    assert_int_equal(http_server_count(world.server), 3);
    assert_non_null(strstr(head_of(2), "Credential=R/"));
    assert_non_null(strstr(head_of(2), "X-Amz-Security-Token: t/+="));
}

static void a_role_that_cannot_be_taken_is_said(void **state)
{
    (void)state;
    put_file(".aws/config", "[profile around]\nrole_arn = a\nsource_profile = around2\n"
                            "[profile around2]\nrole_arn = a\nsource_profile = around\n"
                            "[profile none]\nrole_arn = a\n"
                            "[profile mfa]\nrole_arn = a\nsource_profile = x\nmfa_serial = m\n"
                            "[profile empty]\nrole_arn = a\nsource_profile = x\n"
                            "[profile itself]\nrole_arn = a\nsource_profile = itself\n"
                            "[profile odd]\nrole_arn = a\ncredential_source = Moon\n");
    expect_none("around", "leads around");
    expect_none("none", "needs one of source_profile and credential_source");
    expect_none("mfa", "mfa_serial");
    expect_none("empty", "profile x has no credentials");
    expect_none("itself", "profile itself has no credentials");
    expect_none("odd", "credential_source Moon");
}

static void a_role_may_have_the_keys_of_the_environment(void **state)
{
    (void)state;
    put_file(".aws/config", "[profile e]\nrole_arn = a\ncredential_source = Environment\n");
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    answer_all((struct http_answer){.status = 200, .body = XML_KEYS("R")});
    serve(answer_it, "AWS_ENDPOINT_URL_STS", "");
    expect("e", "R", "role of profile e");
    assert_non_null(strstr(head_of(0), "Credential=ENV/"));
    assert_non_null(strstr(head_of(0), "/us-east-1/sts/aws4_request"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_make, world_drop)
    const struct CMUnitTest tests[] = {
        TEST(a_container_gives_keys_for_its_token),
        TEST(keys_are_asked_of_this_host_alone),
        TEST(a_server_that_gives_no_keys_is_said),
        TEST(asking_again_is_put_off),
        TEST(an_instance_gives_keys_and_the_region),
        TEST(no_proxy_is_asked_for_the_instance),
        TEST(an_instance_without_a_role_is_said),
        TEST(a_server_is_given_up_when_nobody_waits_for_it),
        TEST(an_instance_that_does_not_answer_costs_a_second),
        TEST(a_web_identity_is_exchanged_for_keys),
        TEST(what_the_sts_repeats_of_the_token_is_hidden),
        TEST(what_the_sts_refuses_is_said),
        TEST(a_role_is_taken_with_the_keys_of_another_profile),
        TEST(a_role_that_cannot_be_taken_is_said),
        TEST(a_role_may_have_the_keys_of_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
