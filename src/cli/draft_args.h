/* cli/draft_args.h — --draft: who guesses ahead, from the options that generate and chat share; and what came of it. */
#ifndef QN_CLI_DRAFT_ARGS_H
#define QN_CLI_DRAFT_ARGS_H

#include "cli/open_model.h"
#include "infer/generate.h"

#define QN_OPTS_DRAFT                                                                                               \
    QN_OPT_STRING("", "draft", NULL, "WHO", "guess ahead and check in one pass: ngram, ngram:N, or a smaller MODEL"), \
    QN_OPT_INT("", "draft-tokens", "8", 1, QN_DRAFT_MAX, "with --draft: at most N guesses in a pass")

/* {0} is empty and may be dropped. */
typedef struct {
    qn_drafter *drafter;        /* NULL without --draft */
    qn_opened model;            /* where it is one */
} qn_draft;

/* After the session of m is open: puts what --draft asks for into o. QN_EUSAGE: a word that says nothing, or m itself;
 * QN_EUNSUPPORTED: a model with another vocabulary than m. */
int qn_draft_open(qn_cli *c, const qn_opened *m, qn_draft *d, qn_generate_options *o);
void qn_draft_drop(qn_draft *d);

/* With --draft: a member "draft" of an open JSON object; a remark. */
void qn_draft_put_json(qn_jw *w, const qn_draft *d, const qn_generate_result *r);
void qn_draft_say(const qn_draft *d, const qn_generate_result *r, qn_log_level level);

#endif
