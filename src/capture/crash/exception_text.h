/* exception_text.h - what is to be said of a C++ object whose type is known. Signal-safe. */
#ifndef TB_CAPTURE_EXCEPTION_TEXT_H
#define TB_CAPTURE_EXCEPTION_TEXT_H

#include "capture/crash/exception.h"

/* type: address of a std::type_info. Its name; and the text, if object is a string, or has a
 * std::runtime_error or std::logic_error in it. 0, or -ENOENT when there is no name. */
int tb_exception_text(const struct tb_dynsym *runtime, uint64_t type, uint64_t object,
                      struct tb_exception *out);

#endif
