/* answer_frame.c - see answer_frame.h. */
#include "symbol/answer/answer_frame.h"

#include <string.h>

#include "symbol/answer/path.h"
#include "unwind/walk.h"

void tb_symbol_answer_name(struct tb_json *j, const struct tb_process *process,
                           const struct tb_symbol_frame *frame)
{
    const char *name = "<unknown>";
    if (frame->file) {
        const char *below = tb_symbol_path_below(frame->file, process->root);
        name = below ? below : tb_symbol_path_shown(frame->file);
        const char *slash = strrchr(name, '/');
        if (strlen(name) > TB_SYMBOL_FILENAME_BYTES && slash)
            name = slash + 1;
    } else if (frame->module && tb_symbol_module_name(frame->module)[0] != '\0') {
        name = tb_symbol_module_name(frame->module);
    }
    tb_json_key(j, "filename");
    tb_json_strn(j, name, strnlen(name, TB_SYMBOL_FILENAME_BYTES));
    if (frame->line > 0)
        tb_json_kint(j, "lineno", frame->line);
    tb_json_kstr(j, "method", frame->method ? frame->method : "<unknown>");
}

static void write_module_keys(struct tb_json *j, const struct tb_symbol_frame *frame,
                              bool with_build_id)
{
    const struct tb_module *info = frame->module->info;
    tb_json_kstr(j, "module", tb_symbol_module_name(frame->module));
    tb_json_khex(j, "module_offset", frame->ip - info->bias);
    if (with_build_id && info->build_id_len > 0) {
        tb_json_key(j, "build_id");
        tb_json_hexstr(j, info->build_id, info->build_id_len);
    }
}

void tb_symbol_answer_place(struct tb_json *j, const struct tb_symbol_frame *frame,
                            bool with_build_id)
{
    static const char *const trusts[] = {[TB_TRUST_CONTEXT] = "context",
                                         [TB_TRUST_CFI] = "cfi",
                                         [TB_TRUST_FP] = "fp",
                                         [TB_TRUST_SCAN] = "scan",
                                         [TB_SYMBOL_TRUST_TAIL] = "tail"};
    tb_json_khex(j, "address", frame->ip);
    if (frame->module)
        write_module_keys(j, frame, with_build_id);
    if (frame->inlined)
        tb_json_kbool(j, "inlined", true);
    if (frame->trust != TB_SYMBOL_TRUST_UNKNOWN)
        tb_json_kstr(j, "trust", trusts[frame->trust]);
    tb_json_kbool(j, "in_app", frame->in_app);
}
