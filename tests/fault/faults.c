/* faults.c - see faults.h. The plan; the calls themselves are in calls.c. */
#include "faults.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

enum { PAGE = 4096 };

static struct fault_plan plan;
static atomic_int is_armed;
static atomic_long n_calls;
static _Atomic(const char *) hit;
static void (*watcher)(const struct fault_op *op);

void faults_arm(const struct fault_plan *next)
{
    plan = *next;
    atomic_store(&n_calls, 0);
    atomic_store(&hit, NULL);
    atomic_store(&is_armed, 1);
}

long faults_disarm(void)
{
    atomic_store(&is_armed, 0);
    return atomic_load(&n_calls);
}

const char *faults_hit(void)
{
    return atomic_load(&hit);
}

static void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

struct fault_verdict faults_before(const char *name, enum fault_group group)
{
    struct fault_verdict verdict = {0};
    if (!atomic_load(&is_armed) || !(plan.groups & group))
        return verdict;
    long n = atomic_fetch_add(&n_calls, 1) + 1;
    if (plan.at == 0 || n < plan.at || (n > plan.at && plan.what != FAULT_ERRORS))
        return verdict;
    if (n == plan.at)
        atomic_store(&hit, name);
    if (plan.what == FAULT_KILL_BEFORE)
        die();
    if (plan.what == FAULT_ERROR || plan.what == FAULT_ERRORS)
        verdict.err = plan.err;
    verdict.is_cut = plan.what == FAULT_SHORT || plan.what == FAULT_KILL_WITHIN;
    verdict.is_last = plan.what == FAULT_KILL_AFTER || plan.what == FAULT_KILL_WITHIN;
    return verdict;
}

void faults_after(const struct fault_verdict *verdict)
{
    if (verdict->is_last)
        die();
}

size_t faults_cut(const struct fault_verdict *verdict, uint64_t offset, size_t len)
{
    if (!verdict->is_cut)
        return len;
    size_t to_page = PAGE - (size_t)(offset % PAGE);
    return to_page < len ? to_page : len / 2;
}

void faults_watch(void (*next)(const struct fault_op *op))
{
    watcher = next;
}

int faults_is_watched(void)
{
    return watcher != NULL;
}

void faults_tell(const struct fault_op *op)
{
    if (watcher)
        watcher(op);
}

static int blind;

void faults_blind(int is_blind)
{
    blind = is_blind;
}

int faults_is_blind(void)
{
    return blind;
}

static void (*interruption)(void);

void faults_after_lock_was_asked(void (*work)(void))
{
    interruption = work;
}

void faults_lock_was_asked(void)
{
    void (*work)(void) = interruption;
    interruption = NULL;
    if (work)
        work();
}
