/* cmd_check.c - is this host ready? An ordered list; each line that fails says how to mend it.
 *
 * Asks nobody outside of this host but the servers of symbols.debuginfod, and changes nothing on
 * it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/deliver/fetch.h"
#include "agent/serve/status.h"
#include "base/fd.h"
#include "cli/agent.h"
#include "cli/print.h"
#include "cli/verb.h"
#include "spool/dir.h"
#include "spool/fs.h"
#include "symbol/worker.h"
#include "unwind/rows.h"

enum { TOKEN_CHARACTERS = 32, SERVER_BYTES = 64 << 10 };

struct list {
    const struct tb_config *config;
    int n_failed;
};

enum outcome { WELL, FAILED, NOT_APPLICABLE, WARNING };

static void line(struct list *list, enum outcome outcome, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void line(struct list *list, enum outcome outcome, const char *what, const char *format, ...)
{
    static const char *const marks[] = {"ok", "FAIL", "-", "warn"};
    char text[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    printf("  %s%-4s%s  %-10s ", tb_ink(tb_ink_of(marks[outcome])), marks[outcome],
           tb_ink(TB_INK_NONE), what);
    tb_print_text(text);
    printf("\n");
    list->n_failed += outcome == FAILED;
}

/* Can the folder be made, when it is not there: is the nearest one above it writable? */
static int can_be_made(const char *path)
{
    char above[4096];
    int len = snprintf(above, sizeof(above), "%s", path);
    if (len < 0 || len >= (int)sizeof(above))
        return 0;
    while (access(above, F_OK) != 0) {
        char *slash = strrchr(above, '/');
        if (slash == NULL)
            return access(".", W_OK | X_OK) == 0;
        slash[slash == above] = '\0';
    }
    /* Root may write to /proc and /sys, and yet no folder can be made there. */
    struct statfs fs;
    if (statfs(above, &fs) == 0 && (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC))
        return 0;
    return access(above, W_OK | X_OK) == 0;
}

static void check_folder(struct list *list, const char *what, const char *path, const char *option)
{
    if (can_be_made(path))
        line(list, NOT_APPLICABLE, what, "%s is not there yet; towbard makes it", path);
    else
        line(
            list, FAILED, what,
            "%s is not there and cannot be made by this user: make it, run as the agent's user, or "
            "name another with --%s",
            path, option);
}

/* The name of the file system when that is memory, else NULL. */
static const char *is_in_memory(int fd)
{
    struct statfs fs;
    const char *name = NULL;
    return fstatfs(fd, &fs) == 0 && tb_fs_judge((long)fs.f_type, &name) == TB_FS_MEMORY ? name
                                                                                        : NULL;
}

static void check_spool(struct list *list)
{
    char why[TB_SPOOL_WHY] = "";
    const char *path = list->config->spool;
    int fd = tb_spool_dir_open(path, 0, why);
    if (fd == -ENOENT)
        check_folder(list, "spool", path, "spool");
    else if (fd < 0)
        line(list, FAILED, "spool", "%s", why);
    else if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
        line(list, FAILED, "spool", "%s cannot be written by this user: %s", path, strerror(errno));
    else if (is_in_memory(fd))
        line(list, WARNING, "spool",
             "%s is on %s, which is memory: what is not in the database yet is lost when the host "
             "goes down; a folder on a disk keeps it (--spool, TOWBAR_SPOOL)",
             path, is_in_memory(fd));
    else
        line(list, WELL, "spool", "%s is writable", path);
    tb_fd_close(&fd);
}

static void check_state(struct list *list)
{
    char why[TB_STORE_WHY] = "";
    struct tb_store *store = NULL;
    struct tb_store_counts counts;
    const char *path = list->config->state_dir;
    int err = tb_store_open(path, TB_STORE_READ, &store, why);
    if (err == -ENOENT)
        check_folder(list, "state", path, "state-dir");
    else if (err < 0)
        line(list, FAILED, "state", "%s", why);
    else if (tb_store_counts(store, &counts) < 0)
        line(list, FAILED, "state", "%s", tb_store_error(store));
    else
        line(list, WELL, "state", "%s: %lld items, %lld occurrences", path, (long long)counts.items,
             (long long)counts.occurrences);
    tb_store_close(store);
}

static void check_socket(struct list *list, const struct tb_agent_answer *agent)
{
    const char *path = list->config->socket;
    if (agent->is_up)
        line(list, WELL, "socket", "towbard answers at %s", path);
    else if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        line(list, FAILED, "socket", "%s is longer than the %zu characters a socket may have", path,
             sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
    else
        line(list, NOT_APPLICABLE, "socket", "no agent answers at %s; start it: towbard", path);
}

/* Tries the address as the agent would. 0 or a negative errno. */
static int try_bind(const char *host, uint16_t port)
{
    const int one = 1;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    const struct sockaddr *address = (const struct sockaddr *)&v4;
    socklen_t len = sizeof(v4);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.sin6_addr = in6addr_loopback;
    if (strcmp(host, "[::1]") == 0) {
        address = (const struct sockaddr *)&v6;
        len = sizeof(v6);
    } else if (inet_pton(AF_INET, host, &v4.sin_addr) != 1) {
        v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* "localhost" */
    }
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    int err = bind(fd, address, len) < 0 || listen(fd, 1) < 0 ? -errno : 0;
    close(fd);
    return err;
}

static void check_port(struct list *list, const struct tb_agent_answer *agent)
{
    const char *listen = list->config->listen;
    char host[64];
    const char *colon = strrchr(listen, ':'); /* tb_config_load has checked its form */
    if (colon == NULL || (size_t)(colon - listen) >= sizeof(host)) {
        line(list, NOT_APPLICABLE, "port", "listen is %s: the agent answers on its socket only",
             listen);
        return;
    }
    snprintf(host, sizeof(host), "%.*s", (int)(colon - listen), listen);
    int err = try_bind(host, (uint16_t)strtoul(colon + 1, NULL, 10));
    if (err == 0)
        line(list, WELL, "port", "%s is free", listen);
    else if (err == -EADDRINUSE && agent->is_up && strcmp(agent->listen, listen) == 0)
        line(list, WELL, "port", "%s is held by towbard", listen);
    else if (err == -EADDRINUSE)
        line(list, FAILED, "port",
             "%s is in use by another program: stop that, or choose another with --listen or "
             "listen: (port 0 takes a free one)",
             listen);
    else
        line(list, FAILED, "port", "%s cannot be used: %s", listen, strerror(-err));
}

/* By its shape only; the token itself is never printed. */
static void check_token(struct list *list)
{
    const struct tb_config *config = list->config;
    size_t len = strlen(config->token);
    char endpoint[TB_STATUS_URL];
    tb_status_url(config->endpoint, endpoint);
    if (len == 0)
        line(list, NOT_APPLICABLE, "token",
             "none: errors are kept here; ROLLBAR_ACCESS_TOKEN sends them to Rollbar");
    else if (len < TOKEN_CHARACTERS ||
             strspn(config->token, "0123456789abcdefABCDEF") < (len == TOKEN_CHARACTERS ? len : 0))
        line(list, FAILED, "token",
             "%s has %zu characters and does not look like one of Rollbar's (32 hex digits): copy "
             "the project's post_server_item token",
             config->token_from, len);
    else
        line(list, WELL, "token", "from %s, for %s", config->token_from, endpoint);
    if (config->warning != NULL && *config->warning != '\0')
        line(list, FAILED, "token", "%s", config->warning);
}

static void check_unwind(struct list *list)
{
    int err = tb_rows_load();
    if (err == 0)
        line(list, WELL, "libunwind", "found: stacks by the compiler's unwind data");
    else
        line(list, FAILED, "libunwind",
             "not found: stacks follow frame pointers only; install it (Debian: libunwind8)");
}

/* Names a function of this very program: what the agent does for each frame. */
static void check_symbols(struct list *list)
{
    static char answer[64 << 10];
    char path[4096];
    struct tb_symbol_config config = {0};
    uint64_t address = (uint64_t)(uintptr_t)&tb_cmd_check + 1;
    struct tb_module module = {.lo = address & ~4095ULL, .hi = (address | 4095) + 1};
    struct tb_process self = {.exe = "", .host = "", .service = "", .environment = ""};
    struct tb_json j;
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = '\0';
    module.path = path;
    self.version = self.root = "";
    self.modules = &module;
    self.n_modules = 1;
    tb_json_init(&j, answer, sizeof(answer));
    int err = tb_symbol_addresses(&config, &self, &address, 1, &j);
    if (err == 0)
        err = tb_json_finish(&j);
    if (err == 0 && strstr(answer, "\"frames\"") != NULL)
        line(list, WELL, "libdw", "reads symbols");
    else
        line(list, FAILED, "libdw", "cannot read symbols: %s; install it (Debian: libdw1)",
             strerror(-err));
}

/* Any answer will do: nobody has this build id. */
static void check_server(struct list *list, struct tb_fetcher *fetcher, const char *server)
{
    char url[TB_STATUS_URL + 80];
    char shown[TB_STATUS_URL];
    struct tb_fetch_reply reply;
    size_t len = strlen(server);
    struct tb_fetch_request request = {.url = url,
                                       .fd = -1,
                                       .max_bytes = SERVER_BYTES,
                                       .timeout_ms = list->config->debuginfod_timeout_ms,
                                       .magic = ""};
    tb_status_url(server, shown);
    snprintf(url, sizeof(url), "%.*s/buildid/%040d/debuginfo",
             (int)(len > 0 && server[len - 1] == '/' ? len - 1 : len), server, 0);
    int err = tb_fetch(fetcher, &request, &reply);
    if (err == 0 && (reply.status == 404 || reply.status == 200))
        line(list, WELL, "debuginfod", "%s answers", shown);
    else if (reply.status > 0)
        line(list, FAILED, "debuginfod",
             "%s answers %d, not as a debuginfod server does: look at symbols.debuginfod", shown,
             reply.status);
    else
        line(list, FAILED, "debuginfod",
             "%s cannot be reached: %s; crashes wait for it once in 5 minutes: mend it, or take it "
             "from symbols.debuginfod",
             shown, reply.error);
}

static void check_debuginfod(struct list *list)
{
    struct tb_fetcher *fetcher = NULL;
    if (list->config->n_debuginfod == 0 || tb_fetcher_new(&fetcher) != 0)
        return;
    for (size_t i = 0; i < list->config->n_debuginfod; i++)
        check_server(list, fetcher, list->config->debuginfod[i]);
    tb_fetcher_free(fetcher);
}

int tb_cmd_check(struct tb_cli *cli)
{
    struct tb_config config;
    struct tb_agent_answer agent;
    char why[TB_CONFIG_WHY] = "";
    struct list list = {.config = &config};
    printf("towbar %s\n", TOWBAR_VERSION);
    if (tb_config_load(&cli->flags, &config, why) < 0) {
        line(&list, FAILED, "config", "%s", why);
        printf("\nNothing else can be checked before the settings can be read.\n");
        return TB_EXIT_WRONG;
    }
    if (*config.file != '\0')
        line(&list, WELL, "config", "%s", config.file);
    else
        line(&list, NOT_APPLICABLE, "config", "no file: the defaults are in force");
    tb_agent_ask(&config, &agent);
    check_spool(&list);
    check_state(&list);
    check_socket(&list, &agent);
    check_port(&list, &agent);
    check_token(&list);
    check_unwind(&list);
    check_symbols(&list);
    check_debuginfod(&list);
    if (list.n_failed > 0)
        printf("\n%d thing%s to mend.\n", list.n_failed, list.n_failed == 1 ? "" : "s");
    else
        printf("\nReady.\n");
    tb_agent_answer_done(&agent);
    tb_config_done(&config);
    return list.n_failed > 0 ? TB_EXIT_WRONG : TB_EXIT_WELL;
}
