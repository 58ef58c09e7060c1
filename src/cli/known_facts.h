/* cli/known_facts.h — which facts of a world a model knows: where the world's texts and the scorer of models meet. */
#ifndef QN_CLI_KNOWN_FACTS_H
#define QN_CLI_KNOWN_FACTS_H

#include "cli/cli.h"
#include "world/sets.h"

typedef struct { bool *known; int64_t asked, right; } qn_known_facts;    /* known: [facts of people] */

/* Asks the model for every fact that tuning may ask for, in QN_PROBES forms and with all values to choose from. Needs
 * the options of QN_OPTS_MODEL and QN_OPTS_SESSION. Answers are kept in the file `path` as they come, so that the same
 * question of the same model goes on where it was interrupted; the caller removes it when they are no longer needed.
 * QN_EINVAL: somebody else's file is there. */
int qn_known_facts_find(qn_cli *c, const qn_world *w, const char *model, const char *path, qn_known_facts *out);
bool qn_known_facts_has(void *facts, int64_t fact);             /* for qn_sets_options */
void qn_known_facts_drop(qn_known_facts *k);

#endif
