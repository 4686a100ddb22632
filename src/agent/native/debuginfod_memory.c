/* debuginfod_memory.c - see debuginfod_memory.h. */
#include "agent/native/debuginfod_memory.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static const uint64_t MINUTE_NS = 60 * (uint64_t)TB_NS_PER_S;

int tb_debuginfod_is_id(const char *hex)
{
    size_t len = strnlen(hex, TB_DEBUGINFOD_HEX_MAX + 1);
    return len >= TB_DEBUGINFOD_HEX_MIN && len <= TB_DEBUGINFOD_HEX_MAX && len % 2 == 0 &&
           strspn(hex, "0123456789abcdef") == len;
}

int tb_debuginfod_is_lacking(const struct tb_debuginfod_memory *memory, const char *hex, uid_t uid,
                             uint64_t now_ns)
{
    for (int i = 0; i < TB_DEBUGINFOD_IDS; i++)
        if (memory->ids[i].until_ns > now_ns &&
            (memory->ids[i].uid == uid || memory->ids[i].uid == TB_DEBUGINFOD_ALL) &&
            strcmp(memory->ids[i].hex, hex) == 0)
            return 1;
    return 0;
}

void tb_debuginfod_lacks(struct tb_debuginfod_memory *memory, const char *hex, uid_t uid,
                         unsigned seconds, uint64_t now_ns)
{
    int place = 0; /* its own, or that of what is forgotten first */
    for (int i = 0; i < TB_DEBUGINFOD_IDS; i++) {
        if (memory->ids[i].until_ns > 0 && memory->ids[i].uid == uid &&
            strcmp(memory->ids[i].hex, hex) == 0) {
            place = i;
            break;
        }
        if (memory->ids[i].until_ns < memory->ids[place].until_ns)
            place = i;
    }
    snprintf(memory->ids[place].hex, sizeof(memory->ids[place].hex), "%s", hex);
    memory->ids[place].uid = uid;
    memory->ids[place].until_ns = now_ns + (uint64_t)seconds * TB_NS_PER_S;
}

int tb_debuginfod_admit(struct tb_debuginfod_memory *memory, uid_t uid, uint64_t now_ns)
{
    int place = 0; /* its own, or that whose minute began first */
    for (int i = 0; i < TB_DEBUGINFOD_USERS; i++) {
        if (memory->users[i].n > 0 && memory->users[i].uid == uid) {
            place = i;
            break;
        }
        if (memory->users[i].from_ns < memory->users[place].from_ns)
            place = i;
    }
    int is_new = memory->users[place].n == 0 || memory->users[place].uid != uid ||
                 now_ns - memory->users[place].from_ns >= MINUTE_NS;
    if (is_new) {
        memory->users[place].uid = uid;
        memory->users[place].n = 0;
        memory->users[place].from_ns = now_ns;
    }
    if (memory->users[place].n == TB_DEBUGINFOD_PER_MINUTE)
        return 0;
    memory->users[place].n++;
    return 1;
}

int tb_debuginfod_may_wait(struct tb_debuginfod_memory *memory, uint64_t now_ns)
{
    if (now_ns - memory->minute_ns >= MINUTE_NS) {
        memory->minute_ns = now_ns;
        memory->waited_ns = 0;
    }
    return memory->waited_ns < (uint64_t)TB_DEBUGINFOD_WAITS_S * TB_NS_PER_S;
}

void tb_debuginfod_waited(struct tb_debuginfod_memory *memory, uint64_t begin_ns, uint64_t now_ns)
{
    memory->waited_ns += now_ns - begin_ns;
}
