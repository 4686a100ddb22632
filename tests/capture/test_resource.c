/* The program's name out of OpenTelemetry's variables. */
#include "rig.h"

#include "capture/lib.h"
#include "capture/resource.h"

static const char *find(const char *text, const char *key)
{
    static char out[32];
    return tb_resource_find(text, key, out, sizeof(out)) ? out : "none";
}

static void attributes_are_found_whatever_stands_around_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"service.name=feedd", "feedd"},
        {"a=b,service.name=feedd,c=d", "feedd"},
        {" a = b , service.name = feedd ,", "feedd"},
        {"service.name=a,service.name=b", "b"},
        {"service.name=feed%20d%2C2", "feed d,2"},
        {"service.name=k=v", "k=v"},
        {"my.service.name=other", "none"},
        {"service.name.x=other", "none"},
        {"service.name=", "none"},
        {"service.name", "none"},
        {"=feedd", "none"},
        {"service.name=bad%2", "none"},
        {"service.name=bad%zz", "none"},
        {"service.name=nul%00byte", "none"},
        {"service.name=longer than the thirty-one bytes", "none"},
        {",,,", "none"},
        {"", "none"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(find(rows[i].text, "service.name"), rows[i].want);
    assert_string_equal(find(NULL, "service.name"), "none");
}

struct names {
    const char *service, *environment, *version;
};

/* What towbar_init makes of the environment, in a child of its own. */
static int check_names(struct rig *rig, const struct names *want)
{
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .no_crash_handler = 1)) != 0)
        return 1;
    if (strcmp(tb_lib.service, want->service) == 0 &&
        strcmp(tb_lib.environment, want->environment) == 0 &&
        strcmp(tb_lib.version, want->version) == 0)
        return 0;
    print_error("%s, %s, %s\n", tb_lib.service, tb_lib.environment, tb_lib.version);
    return 2;
}

static int open_telemetrys(struct rig *rig)
{
    setenv("OTEL_RESOURCE_ATTRIBUTES",
           "service.name=a,service.version=1.2,deployment.environment=old", 1);
    return check_names(rig, &(struct names){"a", "old", "1.2"});
}

static int the_newer_names(struct rig *rig)
{
    setenv("OTEL_SERVICE_NAME", "b", 1);
    setenv("OTEL_RESOURCE_ATTRIBUTES",
           "service.name=a,deployment.environment.name=new,deployment.environment=old", 1);
    return check_names(rig, &(struct names){"b", "new", ""});
}

static int our_own(struct rig *rig)
{
    setenv("TOWBAR_SERVICE", "c", 1);
    setenv("TOWBAR_ENVIRONMENT", "ours", 1);
    setenv("TOWBAR_VERSION", "3", 1);
    setenv("OTEL_SERVICE_NAME", "b", 1);
    setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=1,deployment.environment.name=new", 1);
    return check_names(rig, &(struct names){"c", "ours", "3"});
}

static void open_telemetrys_variables_stand_behind_ours(void **state)
{
    assert_int_equal(rig_in_child(open_telemetrys, *state), 0);
    assert_int_equal(rig_in_child(the_newer_names, *state), 0);
    assert_int_equal(rig_in_child(our_own, *state), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(attributes_are_found_whatever_stands_around_them),
        CASE(open_telemetrys_variables_stand_behind_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
