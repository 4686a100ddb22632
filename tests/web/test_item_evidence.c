/* test_item_evidence.c - what else is known of a death, on the page and in its twins. */
#include "site.h"

static const char crash[] =
    "{\"level\":\"critical\",\"body\":{\"trace\":{\"frames\":[{\"filename\":\"a.c\",\"method\":"
    "\"load\"}],\"exception\":{\"class\":\"ns::Mine\",\"message\":\"uncaught ns::Mine\"}}},"
    "\"custom\":{\"native\":{\"kind\":\"crash\",\"signal\":\"SIGABRT\",\"address\":\"0x1010\","
    "\"meaning\":\"uncaught ns::Mine: \\\"no file\\\"\",\"exception\":{\"type\":\"ns::Mine\","
    "\"mangled\":\"N2ns4MineE\",\"what\":\"no file\"},\"syscall\":{\"number\":101,\"name\":"
    "\"ptrace\",\"arch\":\"x86_64\"},\"sender\":{\"pid\":7,\"uid\":0},\"mappings\":[{\"lo\":"
    "\"0x1000\",\"hi\":\"0x2000\",\"rights\":\"rw-p\",\"offset\":\"0x0\",\"path\":\"[heap]\"},"
    "{\"lo\":\"0x3000\",\"hi\":\"0x4000\",\"rights\":\"---p\",\"offset\":\"0x0\"}],\"unloaded\":["
    "{\"lo\":\"0x7000\",\"hi\":\"0x8000\",\"path\":\"/l/libplug.so\"}]}}}";

static struct site *visit(void **state, const char *data)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence("55555555-5555-4555-8555-555555555555", data);
    site_add(site, &one);
    return site;
}

static void evidence_stands_under_the_sentence(void **state)
{
    const char *page = site_visit(visit(state, crash), "/items/1");
    site_has(page, "Exception</th><td class=\"mono\">ns::Mine: no file</td>");
    site_has(page, "System call</th><td class=\"mono\">ptrace number 101 of x86_64</td>");
    site_has(page, "Sent by</th><td class=\"mono\">pid 7 uid 0</td>");
    site_has(page, "Unloaded</th><td class=\"mono\">0x7000-0x8000  /l/libplug.so</td>");
}

static void the_mapping_that_has_the_address_stands_out(void **state)
{
    site_has(site_visit(visit(state, crash), "/items/1"),
             "Mapped there</th><td class=\"mono\"><b>0x1000-0x2000 rw-p [heap]</b>"
             "<br>0x3000-0x4000 ---p </td>");
}

static void the_twins_have_it_too(void **state)
{
    struct site *site = visit(state, crash);
    const char *page = site_visit(site, "/items/1.txt");
    site_has(page, "  exception   ns::Mine\n  what        no file\n");
    site_has(page, "  system call ptrace\n");
    site_has(page, "  mapped      0x1000-0x2000 rw-p [heap]\n");
    site_has(page, "  unloaded    0x7000-0x8000  /l/libplug.so\n");
    page = site_visit(site, "/items/1.md");
    site_has(page, "## What is mapped\n\n```text\n  mapped      0x1000-0x2000 rw-p [heap]\n");
}

static void what_is_not_known_takes_no_room(void **state)
{
    struct site *site = visit(
        state, "{\"body\":{\"trace\":{\"frames\":[],\"exception\":{\"class\":\"SIGSEGV\"}}},"
               "\"custom\":{\"native\":{\"signal\":\"SIGSEGV\",\"meaning\":\"m\",\"mappings\":7,"
               "\"unloaded\":{},\"exception\":[]}}}");
    const char *page = site_visit(site, "/items/1");
    site_has_not(page, "Mapped there");
    site_has_not(page, "Unloaded");
    site_has_not(page, "Exception</th>");
    site_has_not(site_visit(site, "/items/1.md"), "What is mapped");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, site_make, site_drop)
    const struct CMUnitTest tests[] = {
        CASE(evidence_stands_under_the_sentence),
        CASE(the_mapping_that_has_the_address_stands_out),
        CASE(the_twins_have_it_too),
        CASE(what_is_not_known_takes_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
