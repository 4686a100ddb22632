/* config.c - settings: missing ones, wrong ones, asserted ones. */
#include "relayd.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *value;
} settings[] = {{"port", "7777"},  {"name", "relay"}, {"credit", "0"},
                {"high", "70000"}, {"low", "-1"},     {"ping.session", "99"}};

const char *setting(const char *name)
{
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (strcmp(settings[i].name, name) == 0)
            return settings[i].value;
    return NULL;
}

int setting_number(const char *name)
{
    return (int)strtol(setting(name), NULL, 10);
}

void die(const char *why)
{
    fprintf(stderr, "relayd: %s\n", why);
    abort();
}

/* ---- faults ---- */

/* Two assertions in one function. */
static int checked_port(const char *name)
{
    int port = setting_number(name);
    assert(port > 0);
    assert(port < 65536);
    return port;
}

static void port_too_low(void)
{
    exit(checked_port("low"));
}

static void port_too_high(void)
{
    exit(checked_port("high"));
}

static void read_backlog(void)
{
    exit(setting_number("backlog"));
}

static void read_timeout(void)
{
    exit(setting_number("timeout") + 1);
}

/* One function that ends the program, and two reasons. */
static void need(const char *name)
{
    if (setting(name) == NULL)
        die("a setting is missing");
}

static void check_keys(void)
{
    need("key");
}

static void open_upstream(void)
{
    if (setting("upstream") == NULL)
        die("no upstream");
}

/* A list that must not be empty is checked where it is taken from. */
static const char *first_of(const char *const *list, size_t n)
{
    assert(n > 0);
    return list[0];
}

static void use_first(void)
{
    puts(first_of(NULL, (size_t)setting_number("port") - 7777));
}

const struct fault config_faults[] = {
    {"assert-low", NULL, port_too_low},     {"assert-high", NULL, port_too_high},
    {"number-backlog", NULL, read_backlog}, {"number-timeout", NULL, read_timeout},
    {"die-key", NULL, check_keys},          {"die-upstream", NULL, open_upstream},
    {"assert-first", NULL, use_first},      {NULL, NULL, NULL}};
