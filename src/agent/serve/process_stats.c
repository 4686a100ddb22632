/* process_stats.c - see process_stats.h: /proc/self, which is no disk. Counting descriptors takes
 * milliseconds when there are thousands, so it is done once a second at most. */
#include "agent/serve/process_stats.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"

enum { STAT_BYTES = 4096, FIELD_OF_STATE = 3, N_FIELDS = 24 };
/* Of /proc/PID/stat, counted from 1 as in proc(5). */
enum { UTIME = 14, STIME = 15, THREADS = 20, START = 22, VSIZE = 23, RSS = 24 };

/* The numbers behind the name of the program, which may hold anything. 0 where there is none. */
static void read_fields(long long fields[N_FIELDS + 1])
{
    struct tb_buf text;
    memset(fields, 0, (N_FIELDS + 1) * sizeof(*fields));
    tb_buf_init(&text, STAT_BYTES);
    if (tb_fd_slurp(AT_FDCWD, "/proc/self/stat", &text) == 0) {
        const char *rest = strrchr(tb_buf_str(&text), ')');
        for (int i = FIELD_OF_STATE; rest != NULL && i <= N_FIELDS; i++) {
            rest = strchr(rest, ' ');
            if (rest != NULL && i > FIELD_OF_STATE)
                fields[i] = strtoll(rest, NULL, 10);
            rest = rest != NULL ? rest + 1 : NULL;
        }
    }
    tb_buf_done(&text);
}

static int64_t count_fds(void)
{
    static int64_t last;
    static uint64_t counted_ns;
    uint64_t now_ns = tb_clock_mono_ns();
    int64_t n = 0;
    if (counted_ns != 0 && now_ns - counted_ns < TB_NS_PER_S)
        return last;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    for (const struct dirent *d; (d = readdir(folder)) != NULL;)
        n += d->d_name[0] != '.';
    closedir(folder);
    last = n - 1; /* without the folder's own */
    counted_ns = now_ns;
    return last;
}

static int64_t start_ms(long long ticks, long ticks_per_s)
{
    struct timespec boot;
    if (ticks == 0 || clock_gettime(CLOCK_BOOTTIME, &boot) != 0)
        return 0;
    int64_t since_boot_ms = (int64_t)boot.tv_sec * 1000 + boot.tv_nsec / 1000000;
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS) - since_boot_ms +
           ticks * 1000 / ticks_per_s;
}

void tb_process_stats(struct tb_process_stats *out)
{
    long long fields[N_FIELDS + 1];
    struct rlimit files = {0, 0};
    long per_s = sysconf(_SC_CLK_TCK);
    memset(out, 0, sizeof(*out));
    read_fields(fields);
    if (per_s > 0) {
        out->cpu_ms = (fields[UTIME] + fields[STIME]) * 1000 / per_s;
        out->start_ms = start_ms(fields[START], per_s);
    }
    out->threads = fields[THREADS];
    out->virtual_bytes = fields[VSIZE];
    out->resident_bytes = fields[RSS] * sysconf(_SC_PAGESIZE);
    out->open_fds = count_fds();
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        out->max_fds = (int64_t)files.rlim_cur;
}
