/* fake_agent.h - a process that answers /status on a Unix socket as towbard does, and, if it is
 * asked to, moves what is in the spool to the database. */
#ifndef TESTS_CLI_FAKE_AGENT_H
#define TESTS_CLI_FAKE_AGENT_H

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/id.h"
#include "run.h"
#include "spool/reader.h"

/* Stores what was appended as one occurrence for each record. */
static inline void fake_drain(const struct run *run, struct tb_spool *spool)
{
    struct tb_spool_record record;
    char why[TB_STORE_WHY];
    char uuid[TB_UUID_TEXT];
    struct tb_store *store = NULL;
    while (tb_spool_next(spool, &record) == 0) {
        if (record.kind != TB_KIND_ITEM || tb_store_open(run->state, TB_STORE_WRITE, &store, why))
            _exit(3);
        tb_id_uuid_text(record.uuid, uuid);
        const struct tb_occurrence occurrence = {.uuid = uuid,
                                                 .fingerprint = "f",
                                                 .environment = "test",
                                                 .service = "",
                                                 .title = "towbar test",
                                                 .level = "info",
                                                 .framework = "",
                                                 .trace_id = "",
                                                 .xray_trace_id = "",
                                                 .span_id = "",
                                                 .group_inputs = "{}",
                                                 .class_ = record.class_,
                                                 .occurred_ns = 1,
                                                 .received_ns = 1,
                                                 .data = (const char *)record.data,
                                                 .data_len = record.len};
        if (tb_store_begin(store) || tb_store_add(store, &occurrence, NULL, 0) ||
            tb_store_commit(store))
            _exit(4);
        tb_store_close(store);
    }
}

static inline void fake_answer(int listen_fd, const char *reply)
{
    char request[4096];
    int fd = accept(listen_fd, NULL, NULL);
    if (fd < 0 || read(fd, request, sizeof(request)) <= 0)
        _exit(5);
    dprintf(fd,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
            strlen(reply), reply);
    close(fd);
}

/* Starts it; it listens when this returns. */
static inline pid_t fake_start(const struct run *run, const char *reply, int drains)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char why[TB_SPOOL_WHY];
    struct tb_spool *spool = NULL;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", run->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) {
        close(fd);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Nobody is answered before the spool is there. */
    if (drains && tb_spool_open(run->spool, TB_SPOOL_CREATE, &spool, why) != 0)
        _exit(2);
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, drains ? 10 : -1) > 0)
            fake_answer(fd, reply);
        if (drains)
            fake_drain(run, spool);
    }
}

static inline void fake_end(pid_t pid)
{
    int status;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

#endif
