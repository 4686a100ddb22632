/* top_term.c - towbar top: the terminal, with nothing but ANSI's own escapes.
 *
 * 1. Whatever ends the program but SIGKILL gives the terminal back: the ordinary end, SIGINT,
 *    SIGTERM, SIGHUP, a stop by ^Z (and it is taken again afterwards), a crash.
 * 2. Signals are let in only while it waits, so that none is missed. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/top.h"

/* Other screen, no cursor, lines are cut at the edge; and all of it back. */
static const char TAKE[] = "\x1b[?1049h\x1b[?25l\x1b[?7l";
static const char GIVE[] = "\x1b[?7h\x1b[?25h\x1b[?1049l";

enum { COLUMNS_UNKNOWN = 80, LINES_UNKNOWN = 24 };

static struct termios before;
static atomic_int is_taken;
static volatile sig_atomic_t must_end, was_resized, was_continued;
static sigset_t outside; /* the mask while it waits */

static const int ENDS[] = {SIGINT, SIGTERM, SIGHUP};
static const int CRASHES[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

/* signal-safe */
static void give_back(void)
{
    if (!atomic_exchange(&is_taken, 0))
        return;
    (void)!write(STDOUT_FILENO, GIVE, sizeof(GIVE) - 1);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static int take(void)
{
    struct termios raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
        return -errno;
    atomic_store(&is_taken, 1);
    return tb_fd_write_all(STDOUT_FILENO, TAKE, sizeof(TAKE) - 1);
}

static void on_end(int signo)
{
    (void)signo;
    must_end = 1;
}

static void on_resize(int signo)
{
    (void)signo;
    was_resized = 1;
}

static void on_continue(int signo)
{
    (void)signo;
    was_continued = 1;
}

static void on_stop(int signo)
{
    (void)signo;
    give_back();
    (void)raise(SIGSTOP);
}

/* The handler is gone by SA_RESETHAND: what it was called for happens again. */
static void on_crash(int signo)
{
    give_back();
    (void)raise(signo);
}

static void catch (int signo, void (*run)(int), int flags)
{
    struct sigaction action = {.sa_handler = run, .sa_flags = flags};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(signo, &action, NULL);
}

static void catch_all(void)
{
    sigset_t inside;
    (void)sigemptyset(&inside);
    for (size_t i = 0; i < sizeof(ENDS) / sizeof(ENDS[0]); i++) {
        catch (ENDS[i], on_end, 0);
        (void)sigaddset(&inside, ENDS[i]);
    }
    for (size_t i = 0; i < sizeof(CRASHES) / sizeof(CRASHES[0]); i++)
        catch (CRASHES[i], on_crash, (int)SA_RESETHAND);
    catch (SIGWINCH, on_resize, 0);
    catch (SIGCONT, on_continue, 0);
    catch (SIGTSTP, on_stop, 0);
    (void)sigaddset(&inside, SIGWINCH);
    (void)sigaddset(&inside, SIGCONT);
    (void)sigaddset(&inside, SIGTSTP);
    (void)sigprocmask(SIG_BLOCK, &inside, &outside);
}

int tb_top_term_begin(void)
{
    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return -errno;
    must_end = was_resized = was_continued = 0;
    catch_all();
    return take();
}

void tb_top_term_end(void)
{
    give_back();
    (void)sigprocmask(SIG_SETMASK, &outside, NULL);
}

static enum tb_top_event read_key(int *key)
{
    unsigned char byte;
    ssize_t got = read(STDIN_FILENO, &byte, 1);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        return TB_TOP_END; /* the terminal is gone */
    *key = got == 1 ? byte : 0;
    return got == 1 ? TB_TOP_KEY : TB_TOP_TIME;
}

enum tb_top_event tb_top_term_wait(int64_t ms, int *key)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    struct timespec left = {.tv_sec = ms > 0 ? ms / 1000 : 0,
                            .tv_nsec = ms > 0 ? ms % 1000 * 1000000 : 0};
    int got = ppoll(&in, 1, &left, &outside);
    if (must_end)
        return TB_TOP_END;
    if (was_continued) {
        was_continued = 0;
        was_resized = 1;
        if (!atomic_load(&is_taken) && take() < 0)
            return TB_TOP_END;
    }
    if (was_resized) {
        was_resized = 0;
        return TB_TOP_RESIZED;
    }
    return got > 0 ? read_key(key) : TB_TOP_TIME;
}

int tb_top_term_show(const struct tb_buf *picture)
{
    struct tb_buf out;
    const char *line = tb_buf_str(picture);
    tb_buf_init(&out, picture->max + (64 << 10));
    tb_buf_adds(&out, "\x1b[H");
    while (*line != '\0') {
        size_t len = strcspn(line, "\n");
        tb_buf_add(&out, line, len);
        line += len + (line[len] == '\n');
        /* No line end behind the last one: it would scroll. */
        tb_buf_adds(&out, *line != '\0' ? "\x1b[K\r\n" : "\x1b[K");
    }
    tb_buf_adds(&out, "\x1b[J");
    int err = out.err;
    if (err == 0)
        err = tb_fd_write_all(STDOUT_FILENO, out.data, out.len);
    tb_buf_done(&out);
    return err;
}

void tb_top_term_size(int *columns, int *lines)
{
    struct winsize size;
    *columns = COLUMNS_UNKNOWN;
    *lines = LINES_UNKNOWN;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return;
    *columns = size.ws_col > 0 ? size.ws_col : COLUMNS_UNKNOWN;
    *lines = size.ws_row > 0 ? size.ws_row : LINES_UNKNOWN;
}
