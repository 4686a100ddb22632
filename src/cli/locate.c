/* locate.c - see locate.h. */
#include "cli/locate.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/agent.h"
#include "cli/print.h"

#define HOST_SOCKET "/run/towbar/towbard.sock"

enum { LISTEN_BYTES = 256, PATH_BYTES = 4200 };

static int is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0';
}

/* Does anybody listen there? */
static int listens(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(at.sun_path))
        return 0;
    memcpy(at.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int found = fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0;
    tb_fd_close(&fd);
    return found;
}

static void set(char **field, const char *text)
{
    char *copy = *text != '\0' ? strdup(text) : NULL;
    if (copy == NULL)
        return;
    free(*field);
    *field = copy;
}

static void take_spool(struct tb_config *config, const char *path)
{
    if (*path == '\0')
        return;
    set(&config->spool, path);
    config->shared_spool = strcmp(config->spool, TB_CONFIG_SYSTEM_SPOOL) == 0;
}

static int is_same_folder(const char *a, const char *b)
{
    struct stat of_a;
    struct stat of_b;
    return strcmp(a, b) == 0 || (stat(a, &of_a) == 0 && stat(b, &of_b) == 0 &&
                                 of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino);
}

/* The agent of a state folder says in it where it listens. */
static void by_listen_file(const struct tb_config_flags *flags, struct tb_config *config)
{
    char path[PATH_BYTES];
    struct tb_buf text;
    struct tb_agent_answer answer;
    snprintf(path, sizeof(path), "%s/listen", config->state_dir);
    tb_buf_init(&text, LISTEN_BYTES);
    if (tb_fd_slurp(AT_FDCWD, path, &text) == 0 && text.len > 1) {
        text.data[strcspn(text.data, "\r\n")] = '\0';
        tb_agent_ask_at(text.data, &answer);
        /* Another program may have that port by now. */
        if (answer.is_up &&
            is_same_folder(tb_json_text(answer.json, "state_dir"), config->state_dir)) {
            set(&config->socket, tb_json_text(answer.json, "socket"));
            if (flags->spool == NULL && !is_set("TOWBAR_SPOOL"))
                take_spool(config, tb_json_text(answer.json, "spool.path"));
        }
        tb_agent_answer_done(&answer);
    }
    tb_buf_done(&text);
}

/* The host's agent, for whoever has none of his own. */
static int by_host(struct tb_config *config)
{
    struct tb_config host = {.socket = (char[]){HOST_SOCKET}};
    struct tb_agent_answer answer;
    tb_agent_ask(&host, &answer);
    int is_up = answer.is_up;
    if (is_up) {
        set(&config->socket, HOST_SOCKET);
        set(&config->state_dir, tb_json_text(answer.json, "state_dir"));
        take_spool(config, tb_json_text(answer.json, "spool.path"));
    }
    tb_agent_answer_done(&answer);
    return is_up;
}

int tb_locate(const struct tb_config_flags *flags, struct tb_config *config)
{
    if (flags->socket != NULL || is_set("TOWBAR_SOCKET") || listens(config->socket))
        return 0;
    if (flags->state_dir != NULL) {
        by_listen_file(flags, config);
        return 0;
    }
    int is_open = flags->file == NULL && flags->spool == NULL && !is_set("TOWBAR_SPOOL");
    if (!is_open || strcmp(config->socket, HOST_SOCKET) == 0 || !listens(HOST_SOCKET))
        return 0;
    return by_host(config);
}
