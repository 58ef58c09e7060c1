/* cli/hhh_show.h — helpful, honest, harmless as tables on a terminal. */
#ifndef QN_CLI_HHH_SHOW_H
#define QN_CLI_HHH_SHOW_H

#include "cli/cli.h"
#include "eval/hhh.h"

int qn_hhh_show(qn_cli *c, const qn_hhh_result *r);

#endif
