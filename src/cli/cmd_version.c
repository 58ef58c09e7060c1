/* cli/cmd_version.c — `quern version`: which quern this is. */
#include "cli/cli.h"

#include <stdio.h>

#include "base/version.h"

int qn_cli_version(void) { return printf("quern %s\n", QN_VERSION) < 0 ? -1 : 0; }
