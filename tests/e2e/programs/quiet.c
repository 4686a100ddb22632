/* quiet.c - what the library does to its host: prints threads, sockets and errno after each call.
 *
 *   quiet       lines "STAGE threads=N sockets=N" and at the end the status line */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <towbar/towbar.h>

static int count(const char *folder, int only_sockets)
{
    int n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char path[512];
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        n += !only_sockets || (stat(path, &st) == 0 && S_ISSOCK(st.st_mode));
    }
    closedir(dir);
    return n;
}

static void show(const char *stage, int errno_now)
{
    printf("%s threads=%d sockets=%d errno=%d\n", stage, count("/proc/self/task", 0),
           count("/proc/self/fd", 1), errno_now);
    fflush(stdout);
}

static int all_calls(void)
{
    errno = 77;
    int err = towbar_error("one %d", 1);
    towbar_perror("two");
    towbar_report(TOWBAR_CRITICAL, "three");
    towbar_note(TOWBAR_INFO, "four");
    towbar_thread_enter("five");
    towbar_scope_pop(towbar_scope_push("six", "%d", 6));
    towbar_trace_state before = towbar_trace_push("nonsense");
    towbar_trace_pop(&before);
    towbar_trace_pop(NULL);
    (void)towbar_status();
    return err;
}

int main(void)
{
    show("start", 77);
    (void)all_calls();
    show("before-init", errno);
    errno = 77;
    int err = towbar_init(NULL);
    show("init", errno);
    err = err ? err : all_calls();
    show("calls", errno);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int child_err = all_calls();
        show("child", errno);
        _exit(child_err == 0 ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    errno = 77;
    towbar_shutdown();
    show("shutdown", errno);
    (void)all_calls();
    show("after-shutdown", errno);
    printf("status %s\n", towbar_status());
    return err == 0 && status == 0 ? 0 : 1;
}
