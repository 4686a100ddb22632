/* report.h - what the rest of the library needs to know of reports. */
#ifndef TB_CAPTURE_REPORT_H
#define TB_CAPTURE_REPORT_H

/* In a fork child: the threads that were reporting are not here. Signal-safe. */
void tb_report_forked(void);

#endif
