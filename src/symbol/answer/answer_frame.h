/* answer_frame.h - the members of one frame in an answer of the symbolizer (see worker.h). */
#ifndef TB_SYMBOL_ANSWER_FRAME_H
#define TB_SYMBOL_ANSWER_FRAME_H

#include "base/json.h"
#include "record/process.h"
#include "symbol/stack/frames.h"

enum { TB_SYMBOL_FILENAME_BYTES = 1024 };

/* filename, lineno, method. */
void tb_symbol_answer_name(struct tb_json *j, const struct tb_process *process,
                           const struct tb_symbol_frame *frame);
/* address, module, module_offset, build_id if it is wanted, inlined, trust, in_app. */
void tb_symbol_answer_place(struct tb_json *j, const struct tb_symbol_frame *frame,
                            bool with_build_id);

/* One of the list of modules. */
void tb_symbol_answer_module(struct tb_json *j, const struct tb_symbol_module *module);

#endif
