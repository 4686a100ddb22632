/* towbar.c - the operator's tool. All of it is in src/cli. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return tb_cli_main(argc, argv);
}
