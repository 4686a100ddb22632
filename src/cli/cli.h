/* cli.h - the verbs of towbar, a table. */
#ifndef TB_CLI_CLI_H
#define TB_CLI_CLI_H

/* The program: returns its exit code, 0 well, 1 something is wrong with what was asked about, 2
 * wrong use. */
int tb_cli_main(int argc, char **argv);

#endif
