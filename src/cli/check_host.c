/* check_host.c - `towbar check`: what the host gives: libunwind, libdw, clock, core dumps. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "cli/check.h"
#include "cli/verb.h"
#include "symbol/worker.h"
#include "unwind/rows.h"

enum { CORE_BYTES = 4096 };
/* 2026-01-01: no towbar is older. */
static const uint64_t EARLIEST_S = 1767225600;

void tb_check_unwind(struct tb_check *check)
{
    int err = tb_rows_load();
    if (err == 0)
        tb_check_line(check, TB_CHECK_WELL, "libunwind",
                      "found: stacks by the compiler's unwind data");
    else
        tb_check_line(
            check, TB_CHECK_FAILED, "libunwind",
            "not found: stacks follow frame pointers only; install it (Debian: libunwind8)");
}

/* Names a function of this very program: what the agent does for each frame. */
void tb_check_symbols(struct tb_check *check)
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
        tb_check_line(check, TB_CHECK_WELL, "libdw", "reads symbols");
    else
        tb_check_line(check, TB_CHECK_FAILED, "libdw",
                      "cannot read symbols: %s; install it (Debian: libdw1)", strerror(-err));
}

/* A clock that is wrong puts errors at the wrong time, and TLS fails. */
void tb_check_clock(struct tb_check *check)
{
    struct timex state = {.modes = 0};
    uint64_t now_s = tb_clock_wall_ns() / TB_NS_PER_S;
    int got = adjtimex(&state);
    if (now_s < EARLIEST_S)
        tb_check_line(check, TB_CHECK_FAILED, "clock",
                      "it is not set: errors would have the wrong time, and TLS fails; set it, and "
                      "install an NTP client");
    else if (got == TIME_ERROR || (got >= 0 && (state.status & STA_UNSYNC) != 0))
        tb_check_line(check, TB_CHECK_WARNING, "clock",
                      "set, but the kernel does not say that it is kept in step: is an NTP client "
                      "running on the host?");
    else if (got >= 0)
        tb_check_line(check, TB_CHECK_WELL, "clock", "kept in step");
    else
        tb_check_line(check, TB_CHECK_NONE, "clock", "set; whether it is kept in step is not told");
}

void tb_check_core(struct tb_check *check)
{
    struct tb_buf text;
    tb_buf_init(&text, CORE_BYTES);
    if (tb_fd_slurp(AT_FDCWD, "/proc/sys/kernel/core_pattern", &text) == 0 && text.len > 0) {
        text.data[strcspn(text.data, "\n")] = '\0';
        tb_check_line(check, TB_CHECK_NONE, "core",
                      "core_pattern is \"%.200s\": towbar needs no core dump and leaves that alone",
                      tb_buf_str(&text));
    }
    tb_buf_done(&text);
}
