/* cli/cli.h — storey 9, the command line. */
#ifndef QN_CLI_CLI_H
#define QN_CLI_CLI_H

int qn_cli_version(void);

#endif
