/* victim.c - dies, or reports, in the way that its first argument names; for tests/capture.
 *
 * With VICTIM_BARE in the environment it does the same without the library, so that tests can
 * compare how it ends. */
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <printf.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <towbar/towbar.h>

/* Aligned, so that tests can tell the functions apart by address alone. */
#define NOINLINE __attribute__((noinline, aligned(256)))
#define TRACE_A "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static volatile int sink;
static void (*volatile deed)(void);
static volatile int zero;
static int is_bare;

/* Not by the library's own stdio-free ways: what the test reads. */
static void say(const char *text)
{
    (void)!write(STDOUT_FILENO, text, strlen(text));
}

static void start(void)
{
    if (is_bare)
        return;
    int err = towbar_init(NULL);
    if (err)
        fprintf(stderr, "towbar_init: %d %s\n", err, towbar_status());
}

/* ---- the chain of functions that every crash is in ---- */

NOINLINE void chain_here(void)
{
    deed();
    sink++;
}

NOINLINE void chain_middle(void)
{
    chain_here();
    sink++;
}

NOINLINE void chain_outer(void)
{
    chain_middle();
    sink++;
}

static void run(void (*what)(void))
{
    deed = what;
    printf("here %p\nmiddle %p\nouter %p\ndeed %p\n", (void *)(size_t)chain_here,
           (void *)(size_t)chain_middle, (void *)(size_t)chain_outer, (void *)(size_t)what);
    fflush(stdout);
    chain_outer();
}

/* ---- deeds ---- */

NOINLINE static void write_null(void)
{
    *(volatile int *)(size_t)(zero + 16) = 1;
}

NOINLINE static void call_null(void)
{
    ((void (*)(void))(size_t)zero)();
}

NOINLINE static void divide(void)
{
    sink = 100 / zero;
}

NOINLINE static void breakpoint(void)
{
    __asm__ volatile("int3");
}

NOINLINE static void illegal(void)
{
    __asm__ volatile("ud2");
}

NOINLINE static void non_canonical(void)
{
    sink = *(volatile int *)(0x4141414141414141u + (size_t)zero);
}

NOINLINE static void truncated_mapping(void)
{
    char name[] = "/tmp/victim.XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    if (ftruncate(fd, 4096) != 0)
        return;
    volatile char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ftruncate(fd, 0) != 0)
        return;
    map[100] = 1;
}

NOINLINE static void abort_now(void)
{
    abort();
}

NOINLINE static void assert_now(void)
{
    assert(zero == 1 && "the text of the assertion");
}

NOINLINE static void raise_segv(void)
{
    raise(SIGSEGV);
}

NOINLINE static void raise_sys(void)
{
    raise(SIGSYS);
}

NOINLINE static void wait_for_death(void)
{
    say("ready\n");
    for (;;)
        pause();
}

NOINLINE static void overflow_stack(void)
{
    volatile char room[512];
    room[0] = (char)sink;
    overflow_stack();
    sink += room[0];
}

/* ---- ways to die ---- */

#define WAY(name, what)                                                                            \
    static void name(void)                                                                         \
    {                                                                                              \
        start();                                                                                   \
        run(what);                                                                                 \
    }

WAY(die_null, write_null)
WAY(die_call_null, call_null)
WAY(die_fpe, divide)
WAY(die_int3, breakpoint)
WAY(die_ud2, illegal)
WAY(die_non_canonical, non_canonical)
WAY(die_bus, truncated_mapping)
WAY(die_abort, abort_now)
WAY(die_assert, assert_now)
WAY(die_raise, raise_segv)
WAY(die_sys, raise_sys)
WAY(die_killed, wait_for_death)
WAY(die_overflow, overflow_stack)

static void abort_blocked(void)
{
    sigset_t all;
    start();
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    run(abort_now);
}

static void die_with_story(void)
{
    start();
    TOWBAR_TRACE(TRACE_A);
    TOWBAR_SCOPE("device", "%s", "d-17");
    for (int i = 0; i < 70; i++)
        towbar_note(TOWBAR_INFO, "note %d", i);
    errno = ENOSPC;
    run(write_null);
}

static void *in_thread(void *arg)
{
    (void)arg;
    towbar_thread_enter("worker-%d", 7);
    TOWBAR_TRACE(TRACE_A);
    TOWBAR_SCOPE("device", "%s", "d-18");
    run(deed);
    return NULL;
}

static void die_in_thread_by(void (*what)(void))
{
    pthread_t thread;
    start();
    deed = what;
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
}

static void die_in_thread(void)
{
    die_in_thread_by(write_null);
}

static void overflow_in_thread(void)
{
    die_in_thread_by(overflow_stack);
}

static pthread_barrier_t barrier;

static void *at_the_barrier(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&barrier);
    write_null();
    return NULL;
}

static void die_in_many_threads(void)
{
    enum { N = 16 };
    pthread_t threads[N];
    start();
    pthread_barrier_init(&barrier, NULL, N);
    for (int i = 0; i < N; i++)
        pthread_create(&threads[i], NULL, at_the_barrier, NULL);
    for (int i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
}

static void die_at_exit(void)
{
    start();
    atexit(write_null);
}

/* ---- with handlers of its own ---- */

static sigjmp_buf back;

static void print_and_exit(int signo, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    say(signo == SIGSEGV && info->si_addr == (void *)16 && u->uc_stack.ss_size > 0
            ? "earlier handler\n"
            : "earlier handler with wrong arguments\n");
    _exit(9);
}

static void print_once(int signo)
{
    (void)signo;
    say("earlier handler\n");
}

static void print_and_abort(int signo)
{
    (void)signo;
    say("earlier handler\n");
    abort();
}

static void jump_back(int signo)
{
    (void)signo;
    siglongjmp(back, 1);
}

static void set(int signo, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(signo, &action, NULL);
}

static void earlier_exits(void)
{
    static char stack[65536];
    struct sigaction action = {.sa_sigaction = print_and_exit, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack)};
    sigaltstack(&own, NULL);
    sigaction(SIGSEGV, &action, NULL);
    start();
    run(write_null);
}

static void earlier_resets(void)
{
    set(SIGSEGV, print_once, (int)SA_RESETHAND);
    start();
    run(write_null);
}

static void earlier_aborts(void)
{
    set(SIGSEGV, print_and_abort, 0);
    start();
    run(write_null);
}

static void earlier_returns_from_abort(void)
{
    set(SIGABRT, print_once, 0);
    start();
    run(abort_now);
}

/* How the mask and a second delivery look inside a handler that is called by ours. */
static void print_mask(int signo)
{
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    say(sigismember(&now, signo) == 1 && sigismember(&now, SIGUSR1) == 1 &&
                sigismember(&now, SIGTERM) == 0
            ? "mask right\n"
            : "mask wrong\n");
    _exit(9);
}

static void earlier_mask(void)
{
    struct sigaction action = {.sa_handler = print_mask};
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaction(SIGSEGV, &action, NULL);
    start();
    run(write_null);
}

static void recovers(void)
{
    set(SIGSEGV, jump_back, 0);
    start();
    for (int i = 0; i < 3; i++) {
        if (sigsetjmp(back, 1) == 0)
            write_null();
    }
    say("recovered\n");
}

static void recovers_then_dies(void)
{
    set(SIGSEGV, jump_back, 0);
    start();
    if (sigsetjmp(back, 1) == 0)
        write_null();
    say("recovered\n");
    run(abort_now);
}

static void ignores(void)
{
    set(SIGSEGV, SIG_IGN, 0);
    set(SIGTRAP, SIG_IGN, 0);
    start();
    raise(SIGSEGV);
    raise(SIGTRAP);
    kill(getpid(), SIGSEGV);
    say("survived\n");
}

static void ignores_but_faults(void)
{
    set(SIGSEGV, SIG_IGN, 0);
    start();
    run(write_null);
}

static void ignores_then_exec(void)
{
    set(SIGTRAP, SIG_IGN, 0);
    set(SIGABRT, SIG_IGN, 0);
    start();
    fflush(stdout);
    execlp("grep", "grep", "SigIgn", "/proc/self/status", (char *)NULL);
}

static struct sigaction inner;

/* As programs do that want the last word and know who was there before. */
static void lead_to_inner(int signo, siginfo_t *info, void *context)
{
    say("outer handler\n");
    if (inner.sa_flags & SA_SIGINFO)
        inner.sa_sigaction(signo, info, context);
    else
        set(signo, SIG_DFL, 0);
}

static void chain(void)
{
    struct sigaction outer = {.sa_sigaction = lead_to_inner, .sa_flags = SA_SIGINFO};
    start();
    sigaction(SIGSEGV, &outer, &inner);
    towbar_shutdown();
    start();
    run(write_null);
}

/* Faults again inside of the handler of the program, on the alternate stack. */
static void fault_again(int signo)
{
    (void)signo;
    say("earlier handler\n");
    divide();
}

static void earlier_faults(void)
{
    set(SIGSEGV, fault_again, SA_ONSTACK);
    start();
    run(write_null);
}

/* ---- on which stack ---- */

#if defined(VICTIM_SANITIZED)
enum { SMALL_BYTES = 12 << 10 }; /* instrumented frames are larger */
#else
enum { SMALL_BYTES = 4 << 10 };
#endif
enum { PAINT = 0xAA, BELOW_BYTES = 256 << 10, LARGE_BYTES = 128 << 10 };

static unsigned char painted[BELOW_BYTES + LARGE_BYTES] __attribute__((aligned(64)));

/* An alternate stack in the middle of memory that is the program's own. */
static void set_alternate(size_t bytes)
{
    stack_t own = {.ss_sp = painted + BELOW_BYTES, .ss_size = bytes};
    memset(painted, PAINT, sizeof(painted));
    if (sigaltstack(&own, NULL) != 0)
        say("no alternate stack\n");
}

static size_t find_paint_end(void)
{
    size_t at = 0;
    while (at < sizeof(painted) && painted[at] == PAINT)
        at++;
    return at;
}

static void say_whether_overrun(void)
{
    say(find_paint_end() >= BELOW_BYTES ? "memory intact\n" : "memory overwritten\n");
}

NOINLINE static void jump_from_a_large_frame(int signo)
{
    volatile char room[200000];
    for (size_t i = 0; i < sizeof(room); i += 512)
        room[i] = (char)signo;
    siglongjmp(back, 1);
}

static void recover(void)
{
    for (volatile int i = 0; i < 3; i++) {
        if (sigsetjmp(back, 1) == 0)
            write_null();
    }
    say("recovered\n");
    say_whether_overrun();
    run(abort_now);
}

static void recovers_from_large(void)
{
    memset(painted, PAINT, sizeof(painted));
    set(SIGSEGV, jump_from_a_large_frame, 0);
    start();
    recover();
}

static void recovers_beside_small(void)
{
    set_alternate(SMALL_BYTES);
    set(SIGSEGV, jump_from_a_large_frame, 0);
    start();
    recover();
}

static void recovers_on_small(void)
{
    set_alternate(SMALL_BYTES);
    set(SIGSEGV, jump_back, SA_ONSTACK);
    start();
    recover();
}

static void dies_on_small(void)
{
    set_alternate(SMALL_BYTES);
    start();
    run(write_null);
}

static unsigned char *mended;

/* As a collector or a lazy loader does it: the fault is mended, the instruction runs again. */
static void mend(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)context;
    if (info->si_addr != mended || mprotect(mended, 4096, PROT_READ | PROT_WRITE) != 0)
        _exit(9);
}

static void mends_with(int flags, size_t alternate_bytes)
{
    struct sigaction action = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO | flags};
    volatile double kept = 1.5;
    if (alternate_bytes > 0)
        set_alternate(alternate_bytes);
    else
        memset(painted, PAINT, sizeof(painted));
    sigaction(SIGSEGV, &action, NULL);
    start();
    for (int i = 0; i < 3; i++) {
        double sum = kept + i;
        mended = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        errno = ENOSPC;
        *(volatile unsigned char *)mended = 7;
        if (errno != ENOSPC || *mended != 7 || sum != 1.5 + i)
            _exit(8);
    }
    say("mended\n");
    say_whether_overrun();
    run(abort_now);
}

static void mends(void)
{
    mends_with(0, 0);
}

static void mends_beside_small(void)
{
    mends_with(0, SMALL_BYTES);
}

static void mends_on_small(void)
{
    mends_with(SA_ONSTACK, SMALL_BYTES);
}

static void earlier_cannot_run(void)
{
    set(SIGSEGV, print_once, 0);
    start();
    run(overflow_stack);
}

/* In the program's handler ours is done: what it used of the stack has lost its paint. */
static void print_used(int signo)
{
    (void)signo;
    printf("used %zu\n", BELOW_BYTES + LARGE_BYTES - find_paint_end());
    fflush(stdout);
    _exit(0);
}

static void measures_stack(void)
{
    set_alternate(LARGE_BYTES);
    set(SIGABRT, print_used, 0);
    start();
    TOWBAR_TRACE(TRACE_A);
    TOWBAR_SCOPE("device", "%s", "d-17");
    run(assert_now);
}

/* ---- children ---- */

static void wait_and_print(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    printf("child %d status %d\n", (int)pid, status);
    fflush(stdout);
}

static void child_crashes(void)
{
    start();
    pid_t pid = fork();
    if (pid == 0) {
        run(write_null);
        _exit(1);
    }
    wait_and_print(pid);
}

/* As daemon(3) and many programs do: fork twice, close everything. */
static void daemon_crashes(void)
{
    int pipes[2];
    start();
    if (pipe(pipes) != 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        for (int fd = 0; fd < 256; fd++) {
            if (fd != pipes[1])
                close(fd);
        }
        open("/dev/null", O_RDWR);
        open("/dev/null", O_RDWR);
        open("/dev/null", O_RDWR);
        open("/dev/null", O_RDWR);
        int own = getpid();
        (void)!write(pipes[1], &own, sizeof(own));
        write_null();
        _exit(1);
    }
    close(pipes[1]);
    int own = 0;
    char end;
    (void)!read(pipes[0], &own, sizeof(own));
    (void)!read(pipes[0], &end, 1); /* until it is dead */
    printf("child %d status 0\n", own);
    wait_and_print(pid);
}

static void child_reports(void)
{
    start();
    towbar_error("of the parent");
    pid_t pid = fork();
    if (pid == 0) {
        towbar_error("of the child");
        run(write_null);
        _exit(1);
    }
    wait_and_print(pid);
    towbar_error("of the parent again");
}

static void child_by_clone_crashes(void)
{
    start();
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        run(write_null);
        _exit(1);
    }
    wait_and_print(pid);
    towbar_error("of the parent again");
}

static void child_by_vfork_crashes(void)
{
    start();
    pid_t pid = vfork();
    if (pid == 0) {
        *(volatile int *)16 = 1;
        _exit(1);
    }
    wait_and_print(pid);
    towbar_error("of the parent again");
    run(abort_now);
}

static void child_exits(void)
{
    start();
    pid_t pid = fork();
    if (pid == 0)
        exit(0);
    wait_and_print(pid);
    pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        exit(0);
    wait_and_print(pid);
    run(write_null);
}

/* ---- the world around ---- */

static void descriptors_closed(void)
{
    start();
    towbar_error("before");
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    int reused = open("/tmp", O_RDONLY);
    towbar_error("after");
    if (reused < 0)
        return;
    run(write_null);
}

/* Somebody cuts the slot: the handler's first store faults. */
static void cut_slot(void)
{
    start();
    for (int fd = STDERR_FILENO + 1; fd < 256; fd++)
        (void)!ftruncate(fd, 0);
}

static void slot_cut_and_null(void)
{
    cut_slot();
    run(write_null);
}

static void slot_cut_and_abort(void)
{
    cut_slot();
    run(abort_now);
}

static void file_size_limited(void)
{
    struct rlimit none = {0, 0};
    start();
    setrlimit(RLIMIT_FSIZE, &none);
    write_null(); /* nothing can be said any more: that would be SIGXFSZ */
}

/* From now on these calls raise SIGSYS, as a sandbox may have it; the library does not hear of it.
 */
static void trap_calls(void)
{
    static const unsigned calls[] = {SYS_gettid, SYS_process_vm_readv, SYS_prctl, SYS_fallocate,
                                     SYS_rt_tgsigqueueinfo};
    enum { N = sizeof(calls) / sizeof(calls[0]) };
    struct sock_filter filter[2 * N + 2];
    struct sock_fprog program = {2 * N + 2, filter};
    filter[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
    for (int i = 0; i < N; i++) {
        filter[2 * i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
        filter[2 * i + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    }
    filter[2 * N + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        say("no filter\n");
}

static void calls_trapped(void)
{
    start();
    alarm(20); /* a handler that goes round in circles is not to outlive the test */
    trap_calls();
    run(write_null);
}

static void plugin_crashes(void)
{
    start();
    void *plugin = dlopen(getenv("VICTIM_PLUGIN"), RTLD_NOW);
    if (!plugin) {
        fprintf(stderr, "%s\n", dlerror());
        return;
    }
    void *crash = dlsym(plugin, "plugin_crash");
    printf("plugin %p\n", crash);
    fflush(stdout);
    ((void (*)(void))crash)();
}

static void report_in_handler(int signo)
{
    (void)signo;
    towbar_error("from a signal handler");
}

static void handler_reports(void)
{
    set(SIGUSR1, report_in_handler, 0);
    start();
    raise(SIGUSR1);
}

static void jump_out_of_report(int signo)
{
    (void)signo;
    siglongjmp(back, 1);
}

/* What the library formats for us is where the signal comes: in the middle of a report. */
static int raise_in_format(FILE *stream, const struct printf_info *info, const void *const *args)
{
    (void)stream;
    (void)info;
    (void)args;
    raise(SIGUSR1);
    return 0;
}

static int no_arguments(const struct printf_info *info, size_t n, int *types, int *sizes)
{
    (void)info;
    (void)n;
    (void)types;
    (void)sizes;
    return 0;
}

static void leaves_reports(void)
{
    const char *volatile format = "left at %J";
    set(SIGUSR1, jump_out_of_report, 0);
    register_printf_specifier('J', raise_in_format, no_arguments);
    start();
    for (volatile int i = 0; i < 20; i++) {
        const struct towbar_site site = {"leaves.c", i, "leaves_reports"};
        if (sigsetjmp(back, 1) == 0)
            towbar_report_at(&site, TOWBAR_ERROR, 0, format, 1);
    }
    printf("result %d\n", -towbar_error("after all"));
    fflush(stdout);
}

/* ---- reports in coroutines ---- */

enum { N_COROUTINES = 10, COROUTINE_BYTES = 256 << 10 };

static ucontext_t here, coroutines[N_COROUTINES];
static char coroutine_stacks[N_COROUTINES][COROUTINE_BYTES] __attribute__((aligned(64)));
static int coroutine;
static int results[N_COROUTINES];

/* In the middle of a report's message: others go on with theirs. */
static int switch_in_format(FILE *out, const struct printf_info *info, const void *const *args)
{
    int self = coroutine;
    (void)out;
    (void)info;
    (void)args;
    swapcontext(&coroutines[self], &here);
    return 0;
}

static void report_in_coroutine(void)
{
    const char *volatile format = "%J of coroutine %d";
    int self = coroutine;
    const struct towbar_site site = {"coroutines.c", self, "report_in_coroutine"};
    results[self] = towbar_report_at(&site, TOWBAR_ERROR, 0, format, self);
}

/* As a scheduler does that switches in a timer's signal. More reports than there is room for are
 * under way at once; those that found none are lost, and no two are mixed. */
static void coroutines_report(void)
{
    volatile int n_kept = 0;
    register_printf_specifier('J', switch_in_format, no_arguments);
    start();
    for (int i = 0; i < N_COROUTINES; i++) {
        getcontext(&coroutines[i]);
        coroutines[i].uc_stack.ss_sp = coroutine_stacks[i];
        coroutines[i].uc_stack.ss_size = COROUTINE_BYTES;
        coroutines[i].uc_link = &here;
        makecontext(&coroutines[i], report_in_coroutine, 0);
        coroutine = i;
        swapcontext(&here, &coroutines[i]);
    }
    int plain = towbar_error("beside them");
    for (int i = 0; i < N_COROUTINES; i++) {
        coroutine = i;
        if (results[i] == 0)
            swapcontext(&here, &coroutines[i]);
        n_kept = n_kept + (results[i] == 0);
    }
    printf("result %d\nplain %d\n", n_kept, -plain);
    fflush(stdout);
}

/* ---- the malloc that must not be called ---- */

static volatile int malloc_is_forbidden;

#if !defined(VICTIM_SANITIZED)
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);

static void forbid(void)
{
    if (!malloc_is_forbidden)
        return;
    say("malloc was called\n");
    _exit(77);
}

void *malloc(size_t bytes)
{
    forbid();
    return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    forbid();
    return __libc_calloc(n, bytes);
}

void *realloc(void *old, size_t bytes)
{
    forbid();
    return __libc_realloc(old, bytes);
}
#endif

static void dies_without_malloc(void)
{
    start();
    TOWBAR_SCOPE("device", "%s", "d-19");
    towbar_note(TOWBAR_INFO, "a note");
    puts("");
    fflush(stdout);
    malloc_is_forbidden = 1;
    deed = write_null;
    chain_outer();
}

static void reports_without_malloc(void)
{
    start();
    towbar_error("the first may allocate");
    malloc_is_forbidden = 1;
    for (int i = 0; i < 5; i++)
        towbar_error("number %d", i);
    errno = ENOENT;
    towbar_perror("open %s", "x");
    towbar_note(TOWBAR_INFO, "a note");
    malloc_is_forbidden = 0;
    say("done\n");
}

static const struct {
    const char *name;
    void (*run)(void);
} ways[] = {
    {"null", die_null},
    {"call-null", die_call_null},
    {"fpe", die_fpe},
    {"int3", die_int3},
    {"ud2", die_ud2},
    {"non-canonical", die_non_canonical},
    {"bus", die_bus},
    {"abort", die_abort},
    {"cut-null", slot_cut_and_null},
    {"cut-abort", slot_cut_and_abort},
    {"abort-blocked", abort_blocked},
    {"assert", die_assert},
    {"raise", die_raise},
    {"sys", die_sys},
    {"killed", die_killed},
    {"overflow", die_overflow},
    {"story", die_with_story},
    {"thread", die_in_thread},
    {"thread-overflow", overflow_in_thread},
    {"many-threads", die_in_many_threads},
    {"at-exit", die_at_exit},
    {"earlier-exits", earlier_exits},
    {"earlier-resets", earlier_resets},
    {"earlier-aborts", earlier_aborts},
    {"earlier-returns", earlier_returns_from_abort},
    {"earlier-mask", earlier_mask},
    {"earlier-faults", earlier_faults},
    {"recovers", recovers},
    {"recovers-then-dies", recovers_then_dies},
    {"ignores", ignores},
    {"ignores-but-faults", ignores_but_faults},
    {"recovers-from-large", recovers_from_large},
    {"recovers-beside-small", recovers_beside_small},
    {"recovers-on-small", recovers_on_small},
    {"dies-on-small", dies_on_small},
    {"mends", mends},
    {"mends-beside-small", mends_beside_small},
    {"mends-on-small", mends_on_small},
    {"earlier-cannot-run", earlier_cannot_run},
    {"measures-stack", measures_stack},
    {"ignores-then-exec", ignores_then_exec},
    {"chain", chain},
    {"child-crashes", child_crashes},
    {"daemon-crashes", daemon_crashes},
    {"child-reports", child_reports},
    {"child-by-clone", child_by_clone_crashes},
    {"child-by-vfork", child_by_vfork_crashes},
    {"child-exits", child_exits},
    {"closed", descriptors_closed},
    {"file-size", file_size_limited},
    {"calls-trapped", calls_trapped},
    {"plugin", plugin_crashes},
    {"handler-reports", handler_reports},
    {"leaves-reports", leaves_reports},
    {"coroutines-report", coroutines_report},
    {"no-malloc", dies_without_malloc},
    {"no-malloc-report", reports_without_malloc},
};

int main(int argc, char **argv)
{
    is_bare = getenv("VICTIM_BARE") != NULL;
    for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(argv[1], ways[i].name) == 0) {
            ways[i].run();
            return 0;
        }
    }
    fprintf(stderr, "victim WAY\n");
    return 2;
}
