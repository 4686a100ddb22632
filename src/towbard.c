/* towbard.c - the agent. Reads the command line; all else is in src/agent. */
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/config/config_links.h"
#include "agent/log.h"
#include "agent/serve/serve.h"
#include "symbol/worker.h"
#include "web/web.h"

enum { WELL = 0, WRONG = 1, WRONG_USE = 2 };
enum { LARGE_BYTES = 256 << 10 };

enum option_code {
    OPT_CONFIG = 256,
    OPT_SPOOL,
    OPT_STATE_DIR,
    OPT_SOCKET,
    OPT_LISTEN,
    OPT_ONCE,
    OPT_CHECK_CONFIG,
    OPT_SYMBOL_WORKER,
    OPT_VERBOSE,
    OPT_VERSION,
    OPT_HELP = 'h' /* the only one with a letter too */
};

static const struct option options[] = {{"config", required_argument, NULL, OPT_CONFIG},
                                        {"spool", required_argument, NULL, OPT_SPOOL},
                                        {"state-dir", required_argument, NULL, OPT_STATE_DIR},
                                        {"socket", required_argument, NULL, OPT_SOCKET},
                                        {"listen", required_argument, NULL, OPT_LISTEN},
                                        {"once", no_argument, NULL, OPT_ONCE},
                                        {"check-config", no_argument, NULL, OPT_CHECK_CONFIG},
                                        {"symbol-worker", no_argument, NULL, OPT_SYMBOL_WORKER},
                                        {"verbose", no_argument, NULL, OPT_VERBOSE},
                                        {"version", no_argument, NULL, OPT_VERSION},
                                        {"help", no_argument, NULL, OPT_HELP},
                                        {NULL, 0, NULL, 0}};

static const char usage[] =
    "towbard takes the errors of this host's programs and sends them to Rollbar.\n"
    "\n"
    "  --config FILE     settings (default /etc/towbar/towbard.yaml; for an ordinary user\n"
    "                    ~/.config/towbar/towbard.yaml); docs/config.md lists them\n"
    "  --spool DIR       where programs leave their reports (TOWBAR_SPOOL)\n"
    "  --state-dir DIR   the database\n"
    "  --socket PATH     the Unix socket (TOWBAR_SOCKET)\n"
    "  --listen ADDR     127.0.0.1:7070; port 0 takes a free one; off; others need TLS\n"
    "  --once            take in what is in the spool, deliver what can be delivered, end\n"
    "  --check-config    read the settings, say what is wrong with them, end with 0 or 1\n"
    "  --verbose         say more\n"
    "  --version\n"
    "  -h, --help\n"
    "\n"
    "The token comes from ROLLBAR_ACCESS_TOKEN, rollbar.access_token or rollbar.token_file.\n"
    "Without one everything is kept here.\n";

struct command {
    struct tb_config_flags flags;
    int once, checks_config;
    int is_worker;
};

/* -1 to go on, else the exit code. */
static int take_option(int code, struct command *out)
{
    switch (code) {
    case OPT_CONFIG:
        out->flags.file = optarg;
        return -1;
    case OPT_SPOOL:
        out->flags.spool = optarg;
        return -1;
    case OPT_STATE_DIR:
        out->flags.state_dir = optarg;
        return -1;
    case OPT_SOCKET:
        out->flags.socket = optarg;
        return -1;
    case OPT_LISTEN:
        out->flags.listen = optarg;
        return -1;
    case OPT_ONCE:
        out->once = 1;
        return -1;
    case OPT_CHECK_CONFIG:
        out->checks_config = 1;
        return -1;
    case OPT_SYMBOL_WORKER:
        out->is_worker = 1;
        return -1;
    case OPT_VERBOSE:
        tb_log_limit(TB_LOG_DEBUG);
        return -1;
    case OPT_VERSION:
        printf("towbard %s\n", TOWBAR_VERSION);
        return WELL;
    case OPT_HELP:
        fputs(usage, stdout);
        return WELL;
    default: /* getopt has named the option */
        fputs("towbard --help lists what it takes\n", stderr);
        return WRONG_USE;
    }
}

static int parse(int argc, char **argv, struct command *out)
{
    int code;
    memset(out, 0, sizeof(*out));
    while ((code = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        int end = take_option(code, out);
        if (end >= 0)
            return end;
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "towbard: \"%s\" is not an option; towbard --help lists what it takes\n",
            argv[optind]);
    return WRONG_USE;
}

/* A descriptor that we open must never become stdin, stdout or stderr. */
static int open_standard_files(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return WRONG;
    close(fd);
    return WELL;
}

static void take_links(void *arg, const struct tb_config *config)
{
    struct tb_links links;
    tb_config_links(config, &links);
    if (tb_web_set_links(arg, &links) < 0)
        tb_log(TB_LOG_ERROR, "out of memory: the pages have the links of the former settings");
    tb_links_done(&links);
}

static void take_groups(void *arg, const struct tb_config *config)
{
    const struct tb_config_xray *xray = &config->sinks.xray;
    struct tb_web_group groups[TB_CONFIG_GROUPS];
    size_t n = 0;
    for (; n < config->sinks.n_groups && n < TB_CONFIG_GROUPS; n++)
        groups[n] =
            (struct tb_web_group){config->sinks.groups[n].name, config->sinks.groups[n].filter};
    const struct tb_web_settings shown = {.groups = groups,
                                          .n_groups = n,
                                          .xray_name = xray->name,
                                          .xray_name_pattern = xray->name_pattern,
                                          .xray_origin = xray->origin};
    if (tb_web_set_search(arg, &shown) < 0)
        tb_log(TB_LOG_ERROR, "out of memory: searches of the pages know the former groups");
}

/* What the pages are told of the settings at each reload. */
static void take_settings(void *arg, const struct tb_config *config)
{
    take_links(arg, config);
    take_groups(arg, config);
}

/* The agent with its pages. */
static int run(const struct tb_config *config, const struct command *command)
{
    struct tb_web *web = NULL;
    struct tb_links links;
    tb_config_links(config, &links);
    const struct tb_web_options shown = {.state_dir = config->state_dir,
                                         .socket = config->socket,
                                         .needs_token = config->shared_spool ||
                                                        tb_config_listens_abroad(config),
                                         .links = &links};
    int err = tb_web_new(&shown, &web);
    tb_links_done(&links);
    if (err < 0) {
        tb_log(TB_LOG_ERROR, "out of memory");
        return WRONG;
    }
    const struct tb_agent_pages pages = {
        .pages = tb_web_pages(web), .take = take_settings, .arg = web};
    take_groups(web, config);
    int code = tb_agent_run(config, &command->flags, command->once, &pages);
    tb_web_free(web);
    return code;
}

/* The C library learns from one large item that large ones are to be kept, in each thread's arena,
 * for ever. They are rare here: what is freed goes back. */
static void keep_memory_small(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
}

/* What a start or a reload would say of them, before it is tried. */
static int check(const struct tb_config *config)
{
    char why[TB_CONFIG_WHY];
    if (tb_serve_check(config, why) != 0) {
        tb_log(TB_LOG_ERROR, "%s", why);
        return WRONG;
    }
    printf("towbard: the settings are well (%s)\n",
           config->file[0] != '\0' ? config->file : "defaults");
    if (config->warning[0] != '\0')
        printf("towbard: %s\n", config->warning);
    return WELL;
}

int main(int argc, char **argv)
{
    struct command command;
    struct tb_config config;
    char why[TB_CONFIG_WHY];
    int end = parse(argc, argv, &command);
    if (end >= 0)
        return end;
    if (command.is_worker)
        return tb_symbol_worker(TB_SYMBOL_FD);
    keep_memory_small();
    if (open_standard_files() != WELL)
        return WRONG;
    (void)sigaction(SIGPIPE, &(const struct sigaction){.sa_handler = SIG_IGN}, NULL);
    /* Over a limit of file sizes a write fails, and that is said: it is no reason to die. */
    (void)sigaction(SIGXFSZ, &(const struct sigaction){.sa_handler = SIG_IGN}, NULL);
    tb_log_format(TB_LOG_TEXT);
    if (tb_config_load(&command.flags, &config, why) != 0) {
        tb_log(TB_LOG_ERROR, "%s", why);
        return WRONG;
    }
    tb_log_format(strcmp(config.log_format, "json") == 0 ? TB_LOG_JSON : TB_LOG_TEXT);
    int code = command.checks_config ? check(&config) : run(&config, &command);
    tb_config_done(&config);
    return code;
}
