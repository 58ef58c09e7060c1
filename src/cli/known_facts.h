/* cli/known_facts.h — which facts of a world a model knows: where the world's texts and the scorer of models meet. */
#ifndef QN_CLI_KNOWN_FACTS_H
#define QN_CLI_KNOWN_FACTS_H

#include "cli/cli.h"
#include "world/sets.h"

typedef struct { bool *known; int64_t asked, right; } qn_known_facts;    /* known: [facts of people] */

/* Asks the model for every fact that tuning may ask for, in QN_PROBES forms and with all values to choose from. Needs
 * the options of QN_OPTS_MODEL and QN_OPTS_SESSION. */
int qn_known_facts_find(qn_cli *c, const qn_world *w, const char *model, qn_known_facts *out);
bool qn_known_facts_has(void *facts, int64_t fact);             /* for qn_sets_options */
void qn_known_facts_drop(qn_known_facts *k);

#endif
