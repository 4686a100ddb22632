/* indexer.c - see indexer.h.
 *
 * The deadline is the child's own timer, which it cannot touch once it reads: so the worker needs
 * no right to kill, which would be one over every process of its user. */
#include "symbol/index/indexer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/pack.h"
#include "symbol/files/mini.h"
#include "symbol/files/unpacked.h"
#include "symbol/index/layout.h"
#include "symbol/index/split.h"
#include "symbol/sandbox.h"

/* What the child says with its exit code; anything else is a death. */
static const struct {
    int code, err;
} outcomes[] = {{60, 0}, {61, -ENOENT}, {62, -ENOSPC}, {63, -ENOMEM}};
enum { N_OUTCOMES = sizeof(outcomes) / sizeof(outcomes[0]), DIED = 1 };

/* The same file with what zstd has compressed inflated, where that is so and can be done. The child
 * keeps it to its end. */
static Elf *unpack(Elf *elf)
{
    struct tb_symbol_unpacked unpacked;
    return elf && tb_symbol_unpacked_open(elf, &unpacked) == 0 ? unpacked.elf : elf;
}

static void add_mini(struct tb_symbol_index_input *input, struct tb_symbol_mini *mini)
{
    int err = tb_symbol_mini_open(input->module, mini);
    input->mini = mini->elf;
    if (err && err != -ENOENT)
        input->flags |= TB_SYMBOL_INDEX_NO_MINI;
}

static _Noreturn void build(const struct tb_symbol_index_input *input, uint8_t *mem, pid_t parent,
                            int deadline_ms)
{
    size_t len;
    struct tb_symbol_index_input whole = *input;
    struct tb_symbol_mini mini = {0};
    if (tb_symbol_sandbox_builder(parent, deadline_ms) != 0)
        _exit(DIED);
    /* Here, as what it inflates may be a bomb. A debug file has all that it may hold. */
    if (!whole.mini && !whole.debug)
        add_mini(&whole, &mini);
    whole.module = unpack(whole.module);
    whole.debug = unpack(whole.debug);
    whole.alternate = unpack(whole.alternate);
    if (tb_symbol_index_is_split(whole.module) || tb_symbol_index_is_split(whole.debug))
        whole.flags |= TB_SYMBOL_INDEX_SPLIT;
    int err = tb_symbol_index_build(&whole, mem, TB_SYMBOL_INDEX_BYTES_MAX, &len);
    for (size_t i = 0; i < N_OUTCOMES; i++) {
        if (outcomes[i].err == err)
            _exit(outcomes[i].code);
    }
    _exit(DIED);
}

static int outcome(int status)
{
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGALRM ? -ETIMEDOUT : -ECHILD;
    for (size_t i = 0; i < N_OUTCOMES; i++) {
        if (outcomes[i].code == WEXITSTATUS(status))
            return outcomes[i].err;
    }
    return -ECHILD;
}

static int run_child(const struct tb_symbol_index_input *input, uint8_t *mem, int deadline_ms)
{
    int status;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return -ENOMEM; /* or a limit: -EAGAIN means another thing to callers */
    if (pid == 0)
        build(input, mem, parent, deadline_ms);
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return outcome(status);
}

/* The child may be anybody's by now: it names what it was asked to name, or nothing. */
static int check(const struct tb_symbol_index_input *input, const struct tb_symbol_indexed *made)
{
    struct tb_symbol_index index;
    if (tb_symbol_index_open(made->bytes, made->len, &index) != 0 ||
        index.build_id_len != input->build_id_len ||
        memcmp(index.build_id, input->build_id, input->build_id_len) != 0 ||
        index.origin.debug_bytes != input->origin.debug_bytes ||
        index.origin.debug_mark != input->origin.debug_mark ||
        (index.flags & TB_SYMBOL_INDEX_PUBLIC) != (input->flags & TB_SYMBOL_INDEX_PUBLIC))
        return -ECHILD;
    return 0;
}

/* From here on nobody can change it, whoever has it. */
static int seal(struct tb_symbol_indexed *made, uint64_t len)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    if (len < TB_SYMBOL_INDEX_HEADER_BYTES || len > TB_SYMBOL_INDEX_BYTES_MAX)
        return -ECHILD;
    if (ftruncate(made->fd, (off_t)len) < 0 || fcntl(made->fd, F_ADD_SEALS, seals) < 0)
        return -errno;
    void *bytes = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, made->fd, 0);
    if (bytes == MAP_FAILED)
        return -errno;
    made->bytes = bytes;
    made->len = (size_t)len;
    return 0;
}

int tb_symbol_indexer_run(const struct tb_symbol_index_input *input, int deadline_ms,
                          struct tb_symbol_indexed *out)
{
    struct tb_symbol_indexed made = {.fd = -1};
    void *mem = MAP_FAILED;
    int err = -ENOMEM;
    made.fd = memfd_create("towbar-index", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (made.fd < 0 || ftruncate(made.fd, TB_SYMBOL_INDEX_BYTES_MAX) < 0)
        goto out;
    mem = mmap(NULL, TB_SYMBOL_INDEX_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
               made.fd, 0);
    if (mem == MAP_FAILED)
        goto out;
    if ((err = run_child(input, mem, deadline_ms)))
        goto out;
    uint64_t len = tb_get64((const uint8_t *)mem + TB_SYMBOL_AT_LEN);
    (void)munmap(mem, TB_SYMBOL_INDEX_BYTES_MAX);
    mem = MAP_FAILED;
    if ((err = seal(&made, len)) || (err = check(input, &made)))
        goto out;
    *out = made;
    return 0;
out:
    if (mem != MAP_FAILED)
        (void)munmap(mem, TB_SYMBOL_INDEX_BYTES_MAX);
    tb_symbol_indexed_done(&made);
    return err;
}

void tb_symbol_indexed_done(struct tb_symbol_indexed *indexed)
{
    if (!indexed)
        return;
    if (indexed->bytes)
        (void)munmap(indexed->bytes, indexed->len);
    tb_fd_close(&indexed->fd);
    *indexed = (struct tb_symbol_indexed){.fd = -1};
}
