/* report.c - stands for the library: the function whose frames are left out. */
#include "probe.h"

void towbar_report_at(void);

static volatile int sink;

void towbar_report_at(void)
{
    probe();
    sink = 1;
}
