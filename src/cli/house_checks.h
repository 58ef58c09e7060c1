/* cli/house_checks.h — what `quern selftest all` checks beside the kernels: does this build, on this machine, do what
 * the rooms below promise? Each check looks at results that it knows by other means. */
#ifndef QN_CLI_HOUSE_CHECKS_H
#define QN_CLI_HOUSE_CHECKS_H

#include "base/pool.h"

typedef struct {
    int64_t cases, failures;
    char first[256];            /* the first failure */
} qn_house_report;

/* One check of the list: 0 also when cases failed; <0 when it could not run. */
typedef struct {
    const char *name, *about;
    int (*run)(qn_house_report *r, qn_pool *pool);
} qn_house_check;

extern const qn_house_check qn_house_checks[];      /* ended by a row without a name */

#endif
