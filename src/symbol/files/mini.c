/* mini.c - see mini.h. The only file that calls liblzma. */
#include "symbol/files/mini.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>

#include "symbol/files/elf.h"

enum { FIRST_BYTES = 256 << 10 };

/* Room for more output, or -EFBIG, -ENOMEM. */
static int grow(struct tb_symbol_mini *mini, size_t *cap, lzma_stream *stream)
{
    size_t more_cap = *cap > 0 ? *cap * 2 : FIRST_BYTES;
    if (*cap == TB_SYMBOL_MINI_BYTES_MAX)
        return -EFBIG;
    if (more_cap > TB_SYMBOL_MINI_BYTES_MAX)
        more_cap = TB_SYMBOL_MINI_BYTES_MAX;
    uint8_t *more = realloc(mini->bytes, more_cap);
    if (!more)
        return -ENOMEM;
    mini->bytes = more;
    stream->next_out = more + mini->len;
    stream->avail_out = more_cap - mini->len;
    *cap = more_cap;
    return 0;
}

static int error_of(lzma_ret code)
{
    if (code == LZMA_MEM_ERROR)
        return -ENOMEM;
    return code == LZMA_MEMLIMIT_ERROR ? -EFBIG : -EBADMSG;
}

static int inflate(lzma_stream *stream, struct tb_symbol_mini *mini)
{
    size_t cap = 0;
    lzma_ret code = LZMA_OK;
    while (code == LZMA_OK) {
        int err = stream->avail_out == 0 ? grow(mini, &cap, stream) : 0;
        if (err)
            return err;
        code = lzma_code(stream, LZMA_FINISH);
        mini->len = cap - stream->avail_out;
    }
    return code == LZMA_STREAM_END ? 0 : error_of(code);
}

int tb_symbol_mini_inflate(const void *packed, size_t len, struct tb_symbol_mini *out)
{
    struct tb_symbol_mini mini = {0};
    lzma_stream stream = LZMA_STREAM_INIT;
    if (len > TB_SYMBOL_MINI_PACKED_BYTES_MAX)
        return -EFBIG;
    lzma_ret code = lzma_stream_decoder(&stream, TB_SYMBOL_MINI_MEMORY_MAX, 0);
    if (code != LZMA_OK)
        return error_of(code);
    stream.next_in = packed;
    stream.avail_in = len;
    int err = inflate(&stream, &mini);
    lzma_end(&stream);
    if (!err) {
        (void)elf_version(EV_CURRENT);
        mini.elf = elf_memory((char *)mini.bytes, mini.len);
        err = mini.elf && elf_kind(mini.elf) == ELF_K_ELF ? 0 : -EBADMSG;
    }
    if (err) {
        tb_symbol_mini_done(&mini);
        return err;
    }
    *out = mini;
    return 0;
}

int tb_symbol_mini_open(Elf *module, struct tb_symbol_mini *out)
{
    size_t len;
    const void *packed = tb_symbol_elf_section(module, ".gnu_debugdata", &len);
    return packed ? tb_symbol_mini_inflate(packed, len, out) : -ENOENT;
}

void tb_symbol_mini_done(struct tb_symbol_mini *mini)
{
    if (!mini)
        return;
    if (mini->elf)
        elf_end(mini->elf);
    free(mini->bytes);
    *mini = (struct tb_symbol_mini){0};
}
