/* test_login.c - who may see the pages of an agent that serves a whole host. */
#include "site.h"

static const char TOKEN[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static void write_token(const struct site *site, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/" TB_PAGE_TOKEN_FILE, site->folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_shared(void **state)
{
    (void)site_make(state);
    struct site *site = *state;
    tb_web_free(site->web);
    const struct tb_web_options options = {
        .state_dir = site->folder, .socket = "/run/t.sock", .needs_token = 1};
    assert_int_equal(tb_web_new(&options, &site->web), 0);
    write_token(site, TOKEN);
    return 0;
}

static void a_shared_agent_shows_strangers_nothing(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence("a", "{}");
    site_add(site, &one);
    static const char *const PAGES[] = {"/",       "/items/1", "/items/1.json", "/items/1.txt",
                                        "/traces", "/trace/x", "/login"};
    static const char *const COOKIES[] = {
        "", "towbar_page=", "towbar_page=00",
        "towbar_page=00112233445566778899aabbccddeeff00112233445566778899aabbccddeefe",
        "other=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"};
    for (size_t c = 0; c < sizeof(COOKIES) / sizeof(COOKIES[0]); c++)
        for (size_t i = 0; i < sizeof(PAGES) / sizeof(PAGES[0]); i++) {
            site->cookie = COOKIES[c];
            const char *page = site_visit(site, PAGES[i]);
            assert_int_equal(site->reply.status, 401);
            if (strstr(PAGES[i], ".json") != NULL)
                site_has(page, "{\"err\":1,\"message\":");
            else if (strstr(PAGES[i], ".txt") == NULL && strstr(PAGES[i], ".md") == NULL)
                site_check_html(page);
            site_has_not(page, "queue_push");
            site_has_not(page, TOKEN);
            assert_string_equal(site->reply.cookie, "");
        }
    (void)site_visit(site, "/app.css");
    assert_int_equal(site->reply.status, 200);
}

static void the_login_link_sets_a_cookie_that_opens_all(void **state)
{
    struct site *site = *state;
    char address[128];
    (void)snprintf(address, sizeof(address), "/login?token=%s", TOKEN);
    (void)site_visit(site, address);
    assert_int_equal(site->reply.status, 303);
    assert_string_equal(site->reply.location, "/");
    site_has(site->reply.cookie, "; HttpOnly; SameSite=Strict; Path=/");
    char cookie[TB_PAGE_COOKIE];
    (void)snprintf(cookie, sizeof(cookie), "a=b; %.*s", (int)strcspn(site->reply.cookie, ";"),
                   site->reply.cookie);
    site->cookie = cookie;
    (void)site_page(site, "/");
    (void)site_page(site, "/traces");
}

static void a_wrong_token_opens_nothing(void **state)
{
    struct site *site = *state;
    static const char *const WRONG[] = {
        "/login?token=", "/login", "/login?token=00112233445566778899aabbccddeeff",
        "/login?token=00112233445566778899aabbccddeeff00112233445566778899aabbccddeefe",
        "/login?token=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0"};
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        (void)site_visit(site, WRONG[i]);
        assert_int_equal(site->reply.status, 401);
        assert_string_equal(site->reply.cookie, "");
    }
}

static void without_a_good_token_nobody_comes_in(void **state)
{
    struct site *site = *state;
    static const char *const BAD[] = {"", "0011", "zz", "\n"};
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        write_token(site, BAD[i]);
        site->cookie = "towbar_page=";
        (void)site_visit(site, "/");
        assert_int_equal(site->reply.status, 503);
        (void)site_visit(site, "/login?token=");
        assert_int_equal(site->reply.status, 503);
    }
}

static void an_agent_of_one_user_needs_no_login(void **state)
{
    struct site *site = *state;
    (void)site_visit(site, "/login?token=x");
    assert_int_equal(site->reply.status, 303);
    assert_string_equal(site->reply.cookie, "");
    (void)site_page(site, "/");
}

#define WITH_TOKEN(test) cmocka_unit_test_setup_teardown(test, make_shared, site_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TOKEN(a_shared_agent_shows_strangers_nothing),
        WITH_TOKEN(the_login_link_sets_a_cookie_that_opens_all),
        WITH_TOKEN(a_wrong_token_opens_nothing),
        WITH_TOKEN(without_a_good_token_nobody_comes_in),
        cmocka_unit_test_setup_teardown(an_agent_of_one_user_needs_no_login, site_make, site_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
