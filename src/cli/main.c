/* cli/main.c — the command's first and last lines: the only place that reads the environment. */
#include "cli/cli.h"

int main(void) { return qn_cli_version() == 0 ? 0 : 1; }
