/* vanished.c - see vanished.h. */
#include "agent/deaths/vanished.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/meaning/signals.h"
#include "agent/native/native_common.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/path.h"
#include "item/write.h"

enum { WARNING = 2, ERROR, CRITICAL /* enum towbar_level */, TITLE_BYTES = 256, AGE_BYTES = 32 };
enum { ITEM_BYTES = 64 << 10 }; /* sixteen notes, each letter of them escaped, fit */

static const char UNKNOWN_CLASS[] = "vanished";

const char *tb_vanished_counter(const struct tb_death *death, int is_counted)
{
    switch (death->how) {
    case TB_DEATH_EXITED:
        return "vanished.exited";
    case TB_DEATH_EXEC:
        return "vanished.exec";
    case TB_DEATH_OTHER_BOOT:
        return "vanished.other_boot";
    case TB_DEATH_SIGNALED:
        if (death->signo == SIGTERM || death->signo == SIGINT || death->signo == SIGHUP)
            return "vanished.told_to_end";
        break;
    case TB_DEATH_UNKNOWN:
        break;
    }
    return is_counted ? TB_VANISHED_UNREPORTED : NULL;
}

static const char *oom_words(const struct tb_death *death)
{
    if (death->oom_in_cgroup)
        return " (the OOM killer ran in its cgroup)";
    return death->oom_on_host ? " (the OOM killer ran on this host)" : "";
}

static void say_end(const struct tb_death *death, char out[TB_VANISHED_TEXT])
{
    static const char *const words[] = {[TB_DEATH_UNKNOWN] = "ended without a word",
                                        [TB_DEATH_EXITED] = "exited without a word",
                                        [TB_DEATH_EXEC] = "became another program",
                                        [TB_DEATH_OTHER_BOOT] = "went with the machine"};
    char name[16];
    if (death->how == TB_DEATH_SIGNALED)
        snprintf(out, TB_VANISHED_TEXT, "killed by %s%s", tb_signal_name(death->signo, name),
                 oom_words(death));
    else
        snprintf(out, TB_VANISHED_TEXT, "%s%s", words[death->how], oom_words(death));
}

/* Why it is not known how it ended. */
static const char *ignorance(const struct tb_death *death)
{
    switch (death->why) {
    case TB_DEATH_OLD_KERNEL:
        return "the kernel does not tell another user before Linux 6.15";
    case TB_DEATH_NOT_REAPED:
        return "the parent did not ask for its status in time";
    case TB_DEATH_UNSEEN:
        break;
    }
    return "it was away, or did not see it alive";
}

static void say_why(const struct tb_death *death, char *out, size_t cap)
{
    const char *why = death->how == TB_DEATH_SIGNALED ? tb_signal_end_meaning(death->signo) : NULL;
    out[0] = '\0';
    if (why != NULL)
        snprintf(out, cap, ": %s", why);
    else if (death->how == TB_DEATH_UNKNOWN)
        snprintf(out, cap,
                 ": most likely by SIGTERM without a handler, SIGKILL, the OOM killer, or a raw "
                 "exit; the agent could not see which (%s). A daemon that calls towbar_shutdown "
                 "on SIGTERM is none of these; \"vanished: count\" has them counted only",
                 ignorance(death));
}

uint64_t tb_vanished_wall_ns(const struct tb_crash *crash, const struct tb_death *death,
                             const struct tb_native_context *context)
{
    if (death->noticed_wall_ns != 0)
        return death->noticed_wall_ns;
    return crash->fixed.wall_ns != 0 ? crash->fixed.wall_ns : context->time_ns;
}

/* "3 h 12 min" */
static void say_age(uint64_t ns, char out[AGE_BYTES])
{
    static const struct {
        unsigned s;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    enum { N_UNITS = sizeof(units) / sizeof(units[0]) };
    uint64_t s = ns / TB_NS_PER_S;
    size_t u = 0;
    while (u < N_UNITS - 1 && s < units[u].s)
        u++;
    int len = snprintf(out, AGE_BYTES, "%" PRIu64 " %s", s / units[u].s, units[u].name);
    if (u < N_UNITS - 1)
        snprintf(out + len, AGE_BYTES - (size_t)len, " %" PRIu64 " %s",
                 s % units[u].s / units[u + 1].s, units[u + 1].name);
}

static const char *executable_of(const struct tb_native_context *context)
{
    return context->process != NULL ? tb_path_base(context->process->exe) : "";
}

static const char *class_of(const struct tb_death *death, char name[16])
{
    return death->how == TB_DEATH_SIGNALED ? tb_signal_name(death->signo, name) : UNKNOWN_CLASS;
}

/* An ordinary end may be one that is not known: it must not cry. */
static int level_of(const struct tb_death *death)
{
    if (death->how == TB_DEATH_SIGNALED)
        return death->signo == SIGKILL || tb_signal_is_crash(death->signo) ? CRITICAL : ERROR;
    if (death->oom_in_cgroup)
        return CRITICAL;
    return death->oom_on_host ? ERROR : WARNING;
}

static const char *service_of(const struct tb_native_context *context)
{
    const struct tb_process *p = context->process;
    const char *who = p != NULL && p->service[0] != '\0' ? p->service : executable_of(context);
    return who[0] != '\0' ? who : "a process";
}

static const char *host_of(const struct tb_native_context *context)
{
    const struct tb_process *p = context->process;
    return p != NULL && p->host[0] != '\0' ? p->host : context->host;
}

static void add_time(struct tb_buf *text, const char *what, uint64_t wall_ns)
{
    char when[32];
    if (wall_ns == 0)
        return;
    tb_native_time(wall_ns, when);
    tb_buf_addf(text, ", %s %s", what, when);
}

/* "pid 77 on web-1, up 3 h 12 min, last sign at ..., killed by SIGKILL". How long it was up is
 * known only where it was seen to die. */
void tb_vanished_meaning(const struct tb_crash *crash, const struct tb_death *death,
                         const struct tb_native_context *context, char out[TB_VANISHED_TEXT])
{
    char words[TB_VANISHED_TEXT];
    char age[AGE_BYTES];
    struct tb_buf text;
    uint64_t start_ns = context->process != NULL ? context->process->start_wall_ns : 0;
    tb_buf_init(&text, (size_t)2 * TB_VANISHED_TEXT);
    tb_buf_addf(&text, "pid %u", crash->fixed.pid);
    if (host_of(context)[0] != '\0')
        tb_buf_addf(&text, " on %.64s", host_of(context));
    if (start_ns != 0 && start_ns < death->noticed_wall_ns) {
        say_age(death->noticed_wall_ns - start_ns, age);
        tb_buf_addf(&text, ", up %s", age);
    }
    add_time(&text, "last sign at", crash->fixed.wall_ns);
    if (death->noticed_wall_ns == 0)
        add_time(&text, "found dead at", death->found_wall_ns);
    say_end(death, words);
    tb_buf_addf(&text, ", %s", words);
    say_why(death, words, sizeof(words));
    tb_buf_adds(&text, words);
    snprintf(out, TB_VANISHED_TEXT, "%s", tb_buf_str(&text));
    tb_buf_done(&text);
}

void tb_vanished_brief(const struct tb_crash *crash, const struct tb_death *death,
                       const struct tb_native_context *context, char out[TB_VANISHED_TEXT])
{
    char end[TB_VANISHED_TEXT];
    say_end(death, end);
    snprintf(out, TB_VANISHED_TEXT, "%.120s, pid %u on %.64s: %.120s", service_of(context),
             crash->fixed.pid, host_of(context), end);
}

static void write_time(struct tb_json *j, const char *key, uint64_t wall_ns)
{
    char when[32];
    if (wall_ns == 0)
        return;
    tb_native_time(wall_ns, when);
    tb_json_kstr(j, key, when);
}

static void write_native(struct tb_json *j, const struct tb_crash *crash,
                         const struct tb_death *death, const char *meaning,
                         const struct tb_native_context *context)
{
    char name[16];
    tb_json_object(j);
    tb_json_kstr(j, "kind", "vanished");
    if (death->how == TB_DEATH_SIGNALED) {
        tb_json_kstr(j, "signal", tb_signal_name(death->signo, name));
        tb_json_kbool(j, "core_dumped", death->has_core != 0);
    }
    tb_json_kstr(j, "meaning", meaning);
    if (death->oom_in_cgroup || death->oom_on_host)
        tb_json_kstr(j, "oom_killer", death->oom_in_cgroup ? "in its cgroup" : "on this host");
    tb_json_kbool(j, "watched", death->was_watched != 0);
    tb_json_kopt(j, "executable", executable_of(context));
    tb_json_kint(j, "pid", crash->fixed.pid);
    if (death->how == TB_DEATH_UNKNOWN)
        tb_json_kstr(j, "not_known_because", ignorance(death));
    write_time(j, "last_sign_at", crash->fixed.wall_ns);
    write_time(j, "found_dead_at", death->found_wall_ns);
    if (context->process == NULL)
        tb_json_kstr(j, "process", "no process record was found");
    tb_json_end(j);
}

static void write_title(struct tb_json *j, const struct tb_death *death,
                        const struct tb_native_context *context)
{
    char end[TB_VANISHED_TEXT];
    char title[TITLE_BYTES];
    say_end(death, end);
    snprintf(title, sizeof(title), "%.120s vanished: %s%.110s", service_of(context),
             death->noticed_wall_ns == 0 ? "found dead, " : "", end);
    tb_json_kstr(j, "title", title);
}

static void write_item(struct tb_json *j, const struct tb_crash *crash,
                       const struct tb_death *death, const struct tb_native_context *context)
{
    char name[16];
    char uuid[TB_UUID_TEXT];
    char when[32];
    char meaning[TB_VANISHED_TEXT];
    uint64_t wall_ns = tb_vanished_wall_ns(crash, death, context);
    const struct tb_process *p = context->process;
    tb_id_uuid_text(context->uuid, uuid);
    tb_vanished_meaning(crash, death, context, meaning);
    tb_native_time(wall_ns, when);
    tb_json_object(j);
    tb_json_kstr(j, "uuid", uuid);
    tb_json_kint(j, "timestamp", (int64_t)(wall_ns / TB_NS_PER_S));
    tb_json_kstr(j, "environment", tb_native_environment(context));
    tb_json_kstr(j, "level", tb_level_name(level_of(death)));
    tb_json_kstr(j, "platform", "linux");
    tb_json_kstr(j, "language", "c");
    write_title(j, death, context);
    tb_json_kopt(j, "code_version", p != NULL ? p->version : "");
    tb_json_key(j, "server");
    tb_native_server(j, context, crash->fixed.pid);
    tb_json_key(j, "notifier");
    tb_json_object(j);
    tb_json_kstr(j, "name", "towbar");
    tb_json_kstr(j, "version", TOWBAR_VERSION);
    tb_json_end(j);
    tb_json_key(j, "custom");
    tb_json_object(j);
    tb_json_kstr(j, "occurred_at", when);
    tb_json_kopt(j, "service", p != NULL ? p->service : "");
    tb_json_key(j, "native");
    write_native(j, crash, death, meaning, context);
    tb_json_end(j);
    tb_json_key(j, "body");
    tb_native_body(j, crash, class_of(death, name), meaning, NULL);
    tb_json_end(j);
}

int tb_vanished_item(const struct tb_crash *crash, const struct tb_death *death,
                     const struct tb_native_context *context, struct tb_buf *out)
{
    struct tb_json j;
    char *mem = malloc(ITEM_BYTES);
    if (mem == NULL)
        return -ENOMEM;
    tb_json_init(&j, mem, ITEM_BYTES);
    write_item(&j, crash, death, context);
    (void)tb_json_finish(&j); /* cut short it lacks only its newest notes */
    tb_buf_add(out, mem, j.len);
    free(mem);
    return out->err;
}
