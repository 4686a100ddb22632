/* native_death.c - see native.h: what a crash record says of the death itself, for programs. */
#include "agent/meaning/meaning.h"
#include "agent/native/native.h"

static void write_registers(struct tb_json *j, const struct tb_crash_fixed *fixed)
{
    tb_json_key(j, "registers");
    tb_json_object(j);
    for (size_t r = 0; r < TB_N_NAMED_REGS; r++)
        tb_json_khex(j, tb_register_name(r), fixed->regs[r]);
    tb_json_end(j);
}

static void write_sender(struct tb_json *j, const struct tb_crash_fixed *fixed)
{
    tb_json_key(j, "sender");
    tb_json_object(j);
    tb_json_kint(j, "pid", fixed->sender_pid);
    tb_json_kint(j, "uid", fixed->sender_uid);
    tb_json_end(j);
}

static void write_exception(struct tb_json *j, const struct tb_why *why, const char *class_)
{
    const struct tb_crash *crash = why->crash;
    if (crash->exception_type == NULL)
        return;
    tb_json_key(j, "exception");
    tb_json_object(j);
    tb_json_kstr(j, "type", class_);
    tb_json_kstr(j, "mangled", crash->exception_type);
    if (crash->exception_what != NULL) {
        tb_json_key(j, "what");
        tb_json_strn(j, crash->exception_what, crash->exception_what_len);
    }
    tb_json_end(j);
}

static void write_syscall(struct tb_json *j, const struct tb_crash *crash)
{
    struct tb_why_syscall call;
    if (!tb_why_syscall(crash, &call))
        return;
    tb_json_key(j, "syscall");
    tb_json_object(j);
    tb_json_kint(j, "number", call.number);
    tb_json_kopt(j, "name", call.name);
    tb_json_kstr(j, "arch", call.arch);
    tb_json_end(j);
}

static void write_range(struct tb_json *j, uint64_t lo, uint64_t hi)
{
    tb_json_khex(j, "lo", lo);
    tb_json_khex(j, "hi", hi);
}

static void write_path(struct tb_json *j, const char *path, size_t len)
{
    if (len == 0)
        return;
    tb_json_key(j, "path");
    tb_json_strn(j, path, len);
}

static void write_mappings(struct tb_json *j, const struct tb_crash *crash)
{
    if (crash->n_mappings == 0)
        return;
    tb_json_key(j, "mappings");
    tb_json_array(j);
    for (size_t i = 0; i < crash->n_mappings; i++) {
        const struct tb_crash_mapping *m = &crash->mappings[i];
        const char rights[] = {m->rights & TB_MAPPING_READ ? 'r' : '-',
                               m->rights & TB_MAPPING_WRITE ? 'w' : '-',
                               m->rights & TB_MAPPING_EXEC ? 'x' : '-',
                               m->rights & TB_MAPPING_SHARED ? 's' : 'p', '\0'};
        tb_json_object(j);
        write_range(j, m->lo, m->hi);
        tb_json_kstr(j, "rights", rights);
        tb_json_khex(j, "offset", m->offset);
        write_path(j, m->path, m->len);
        tb_json_end(j);
    }
    tb_json_end(j);
}

static void write_unloaded(struct tb_json *j, const struct tb_crash *crash)
{
    if (crash->n_unloaded == 0)
        return;
    tb_json_key(j, "unloaded");
    tb_json_array(j);
    for (size_t i = 0; i < crash->n_unloaded; i++) {
        tb_json_object(j);
        write_range(j, crash->unloaded[i].lo, crash->unloaded[i].hi);
        write_path(j, crash->unloaded[i].path, crash->unloaded[i].len);
        tb_json_end(j);
    }
    tb_json_end(j);
}

void tb_native_death_write(struct tb_json *j, const struct tb_why *why)
{
    const struct tb_crash *crash = why->crash;
    const struct tb_crash_fixed *fixed = &crash->fixed;
    char name[16];
    char class_[TB_CLASS_BYTES];
    char assertion[TB_TITLE_BYTES];
    tb_json_kstr(j, "signal", tb_signal_name(fixed->signo, name));
    tb_json_kstr(j, "code", tb_signal_code_name(fixed->signo, fixed->code, name));
    if (!tb_crash_is_sent(fixed))
        tb_json_khex(j, "address", fixed->fault_address);
    tb_json_kopt(j, "access", tb_access_name(tb_crash_access(fixed)));
    write_registers(j, fixed);
    if (tb_why_is_text_of(why)) {
        tb_json_key(j, "abort_message");
        tb_json_strn(j, crash->abort_text, crash->abort_len);
    }
    if (tb_why_assertion(why, assertion)) /* group.c asks for it */
        tb_json_kstr(j, "assertion", assertion);
    write_exception(j, why, tb_why_class(why, class_));
    write_syscall(j, crash);
    write_mappings(j, crash);
    write_unloaded(j, crash);
    if (tb_crash_has_sender(fixed))
        write_sender(j, fixed);
}
