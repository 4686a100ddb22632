/* why_abort.c - see why.h: what the program, the C library and the C++ runtime said.
 *
 * The texts are glibc's (assert/assert.c, malloc/malloc.c, debug/): of each that is known here only
 * what is the same at each occurrence is kept. */
#include <signal.h>
#include <string.h>

#include "agent/meaning/function_name.h"
#include "agent/meaning/why.h"

enum { INNERMOST = 12, RUST_INNERMOST = 24, TEXT_BYTES = 640 };

static const char ASSERTION[] = ": Assertion `";
static const char FAILED[] = "' failed";
static const char UNEXPECTED[] = ": Unexpected error: ";

static int contains(const char *text, size_t len, const char *word)
{
    return text != NULL && memmem(text, len, word, strlen(word)) != NULL;
}

/* The first line, without asterisks around it and the addresses that glibc before 2.26 ended it
 * with: "*** stack smashing detected ***: terminated". */
static const char *first_line(const struct tb_crash *crash, size_t *out)
{
    const char *text = crash->abort_text;
    size_t len = strnlen(text, crash->abort_len);
    while (len > 0 && (*text == '*' || *text == ' ')) {
        text++;
        len--;
    }
    const char *line = memchr(text, '\n', len);
    len = line != NULL ? (size_t)(line - text) : len;
    const char *stars = memmem(text, len, " ***", 4);
    len = stars != NULL ? (size_t)(stars - text) : len;
    const char *address = memmem(text, len, ": 0x", 4);
    *out = address != NULL ? (size_t)(address - text) : len;
    return text;
}

int tb_why_has_text(const struct tb_why *why)
{
    size_t len = 0;
    if (why->crash->fixed.signo != SIGABRT || !tb_why_is_text_of(why))
        return 0;
    (void)first_line(why->crash, &len);
    return len > 0;
}

int tb_why_is_assert(const struct tb_why *why)
{
    const char *text = why->crash->abort_text;
    size_t len = why->crash->abort_len;
    return tb_why_has_text(why) &&
           ((contains(text, len, ASSERTION) && contains(text, len, FAILED)) ||
            contains(text, len, UNEXPECTED));
}

/* ---- assert, assert_perror ---- */

/* What stands before the mark: "prog: file.c:41: function", of which prog and function may be
 * missing. A C++ function may itself hold ": ". */
static void split_place(char *before, const char **place, const char **function)
{
    *place = *function = "";
    char *file = strstr(before, ": ");
    if (file == NULL)
        return;
    char *end = strstr(file + 2, ": ");
    if (end != NULL) {
        *end = '\0';
        *function = end + 2;
    }
    const char *slash = strrchr(file + 2, '/');
    *place = slash != NULL ? slash + 1 : file + 2;
}

/* The expression, or the error; cuts text at the mark. NULL where it is longer than what is kept.
 */
static const char *split_text(char *text, const char **what)
{
    char *mark = strstr(text, ASSERTION);
    char *said = mark != NULL ? mark + strlen(ASSERTION) : NULL;
    char *end = said != NULL ? strstr(said, FAILED) : NULL;
    *what = "assertion failed";
    for (char *later = end; later != NULL; later = strstr(later + 1, FAILED))
        end = later;
    if (mark == NULL) {
        mark = strstr(text, UNEXPECTED);
        said = mark != NULL ? mark + strlen(UNEXPECTED) : NULL;
        *what = "unexpected error";
        end = said != NULL ? said + strlen(said) : NULL;
        while (end > said && (end[-1] == ' ' || end[-1] == '.'))
            end--;
    }
    if (end == NULL)
        return NULL;
    *mark = '\0';
    *end = '\0';
    return said;
}

void tb_why_say_assert(const struct tb_why *why, int with_place, struct tb_say *say)
{
    char text[TEXT_BYTES];
    char function[TB_FUNCTION_NAME_BYTES];
    struct tb_say copy;
    const char *what;
    const char *place;
    const char *pretty;
    tb_say_init(&copy, text, sizeof(text));
    tb_say_text(&copy, why->crash->abort_text, why->crash->abort_len);
    const char *said = split_text(text, &what);
    if (said == NULL) {
        tb_say(say, "%s: %s", what, text);
        return;
    }
    split_place(text, &place, &pretty);
    tb_function_name_short(pretty, function);
    tb_say(say, "%s: %s", what, said);
    if (function[0] != '\0')
        tb_say(say, " in %s", function);
    if (with_place && place[0] != '\0')
        tb_say(say, " (%s)", place);
}

/* ---- other texts ---- */

void tb_why_say_text(const struct tb_crash *crash, struct tb_say *say)
{
    size_t len;
    const char *text = first_line(crash, &len);
    tb_say_text(say, text, len);
}

/* "strcpy" of a frame "__strcpy_chk". */
static void say_checked(const struct tb_why *why, struct tb_say *say)
{
    for (size_t i = 0; why->stack != NULL && i < why->stack->n && i < INNERMOST; i++) {
        const char *name = tb_stack_names_plain(why->stack->names[i]);
        size_t len = strlen(name);
        if (name == why->stack->names[i] || len <= 4 || strcmp(name + len - 4, "_chk") != 0)
            continue;
        tb_say(say, ": %.*s would go beyond the end of its destination", (int)(len - 4), name);
        return;
    }
}

void tb_why_say_hint(const struct tb_why *why, struct tb_say *say)
{
    static const struct {
        const char *text, *hint;
    } hints[] = {
        {"double free detected", ": a block was freed twice"},
        {"double free or corruption",
         ": looks like a block that was freed twice, or a write beyond the end of one"},
        {"(): invalid pointer", ": no block of malloc's, or the bytes before it were overwritten"},
        {"invalid size", ": looks like a write beyond the end of a block, earlier and elsewhere"},
        {"invalid next size",
         ": looks like a write beyond the end of a block, earlier and elsewhere"},
        {"corrupted", ": looks like a write beyond the end of a block, earlier and elsewhere"},
        {"unaligned", ": looks like a write to a block that was free"},
        {"%n in writable segment", ": the format string is not constant"},
        {"bit out of range", ": looks like a descriptor too large for select()"},
        {"longjmp causes", ": a jump into a function that has returned"},
    };
    const char *text = why->crash->abort_text;
    size_t len = why->crash->abort_len;
    if (contains(text, len, "stack smashing") && why->culprit != NULL && why->culprit[0] != '\0')
        tb_say(say, ": looks like a write beyond the end of a variable on the stack of %s",
               why->culprit);
    if (contains(text, len, "buffer overflow"))
        say_checked(why, say);
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        if (contains(text, len, hints[i].text)) {
            tb_say(say, "%s", hints[i].hint);
            return;
        }
    }
}

/* ---- C++ ---- */

int tb_why_has_exception(const struct tb_crash *crash)
{
    return crash->fixed.signo == SIGABRT && crash->exception_type != NULL;
}

const char *tb_why_exception_type(const struct tb_why *why)
{
    if (!tb_why_has_exception(why->crash))
        return "";
    return why->exception_type != NULL && why->exception_type[0] != '\0'
               ? why->exception_type
               : why->crash->exception_type;
}

/* Where nothing catches, the search for a handler comes back to throw; where it finds a function
 * that is noexcept, that one's personality ends the program. */
void tb_why_say_exception(const struct tb_why *why, struct tb_say *say)
{
    const struct tb_crash *crash = why->crash;
    tb_say(say, "uncaught %s", tb_why_exception_type(why));
    if (crash->exception_what != NULL && crash->exception_what_len > 0) {
        tb_say(say, ": \"");
        tb_say_text(say, crash->exception_what, crash->exception_what_len);
        tb_say(say, "\"");
    }
    if (tb_stack_names_has(why->stack, INNERMOST, "gxx_personality_v0") ||
        tb_stack_names_has(why->stack, INNERMOST, "cxa_call_terminate") ||
        tb_stack_names_has(why->stack, INNERMOST, "clang_call_terminate"))
        tb_say(say, ", which met a function that lets none out (noexcept, a destructor)");
}

static int is_rust_panic(const struct tb_stack_names *stack)
{
    static const char *const beginnings[] = {
        "__rustc::rust_panic",         "__rustc::rust_begin_unwind",
        "core::panicking::",           "core::result::unwrap_failed",
        "core::option::unwrap_failed", "core::option::expect_failed"};
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
        if (tb_stack_names_begins(stack, RUST_INNERMOST, beginnings[i]))
            return 1;
    return tb_stack_names_has(stack, RUST_INNERMOST, "rust_panic") ||
           tb_stack_names_has(stack, RUST_INNERMOST, "rust_begin_unwind");
}

/* Plain names. */
const struct tb_why_caller *tb_why_caller(const struct tb_why *why)
{
    static const struct tb_why_caller callers[] = {
        {"cxa_pure_virtual", "pure virtual call", "a pure virtual function was called"},
        {"cxa_deleted_virtual", "deleted virtual call", "a deleted virtual function was called"},
        {"g_assertion_message_expr", "GLib assertion failed",
         "an assertion of GLib failed; its text went to standard error"},
        {"g_assertion_message", "GLib assertion failed",
         "an assertion of GLib failed; its text went to standard error"},
        {"g_log_structured_array", "fatal GLib message",
         "a fatal message was logged with GLib; its text went to standard error"},
        {"g_logv", "fatal GLib message",
         "a fatal message was logged with GLib; its text went to standard error"},
        {"cxa_throw", "uncaught exception", "an exception was thrown that nothing caught"},
        {"cxa_rethrow", "uncaught exception", "an exception was thrown again that nothing caught"},
        {"std::terminate", "std::terminate", "std::terminate was called, no exception is known"},
        {"assert_fail", "assertion failed", "an assertion failed, its text is not known"},
    };
    static const struct tb_why_caller rust = {
        "rust_panic", "Rust panic",
        "a Rust panic ended the process; its text went to standard error"};
    for (size_t i = 0; i < sizeof(callers) / sizeof(callers[0]); i++)
        if (tb_stack_names_has(why->stack, INNERMOST, callers[i].function))
            return &callers[i];
    return is_rust_panic(why->stack) ? &rust : NULL;
}
