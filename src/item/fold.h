/* fold.h - which frames of a stack people see as one, and which one is blamed. Pure; the page and
 * the terminal show the same.
 *
 * Library frames that follow each other are one line; calls that recur are shown once, with how
 * often. */
#ifndef TB_ITEM_FOLD_H
#define TB_ITEM_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TB_FOLD_CYCLE_MAX = 16,   /* calls that recur together */
    TB_FOLD_HIDDEN_LEAST = 4, /* frames that a recursion must spare */
    TB_FOLD_NAMES = 3,        /* libraries named of one run */
    TB_FOLD_NAMES_TEXT = 256
};

/* A frame, as far as folding sees it. Texts are borrowed, "" where unknown. */
struct tb_fold_frame {
    const char *method, *file, *module;
    int64_t line; /* 0: unknown */
    bool is_library;
};

enum tb_fold_kind { TB_FOLD_NONE, TB_FOLD_LIBRARY, TB_FOLD_CYCLE };

struct tb_fold {
    enum tb_fold_kind kind;
    size_t n;            /* frames that it covers; 1 for none */
    size_t cycle, times; /* the first cycle of them are shown; they come so many times */
};

/* Is file in a folder where packages are installed? For frames that do not say in_app: of what is
 * below root only the rest of the path counts. */
bool tb_fold_is_package(const char *file, const char *root);
/* What begins at frame i of the n frames (innermost first). The blamed frame is in no run of
 * library frames; n for none. */
struct tb_fold tb_fold_at(const struct tb_fold_frame *frames, size_t n, size_t i, size_t blamed);
/* The same, recursion alone: for frames inside of a run. */
struct tb_fold tb_fold_cycle(const struct tb_fold_frame *frames, size_t n, size_t i);
/* The innermost frame of the program's own, but for a handler of std::terminate that aborts; else
 * the innermost that is not of the run-time system; else 0. */
size_t tb_fold_blamed(const struct tb_fold_frame *frames, size_t n);
/* "libc, libevent": the libraries of n frames, each once, in order. Returns out. */
const char *tb_fold_names(const struct tb_fold_frame *frames, size_t n,
                          char out[TB_FOLD_NAMES_TEXT]);

#endif
