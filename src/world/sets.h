/* world/sets.h — what is written beside the corpus: tasks to evaluate with, texts to tune with, passages to look up.
 *
 *   sets.h, sets.c         all files of one world; which person is on which side; the checks
 *   set_write.h, .c        rows of JSON; no context twice, none on both sides
 *   set_facts.c            recall, two steps                             for base models, in the corpus's own words
 *   set_reading.c          reading, long range                           likewise
 *   set_syntax.c           agreement, arithmetic                         likewise
 *   set_chat.c             abstention, false premises, refusal; requests, in lessons and in chat
 *   set_tune.c             sft.jsonl, preferences.jsonl, prompts.jsonl
 *   set_passages.c         passages.jsonl
 *   asks.h, asks.c         questions about facts, true and false answers, "I do not know"
 *   requests.h, .c         what one may be asked to do with words, and the rule that tells whether it was done
 *   forbidden.h, .c        requests to be refused and their look-alikes
 *   bow.h, ks.h, .c        the tests: do words alone give a refusal away, do lengths give strangers away
 *   name_check.h, .c       known and unknown names under a tokenizer
 *
 *     qn_sets_report r;
 *     QN_TRY(qn_sets_write(w, &(qn_sets_options){0}, "out", &r));      // out/eval/recall_seen.jsonl, out/sft.jsonl …
 *
 * The form of task files is in docs/EVALUATION.md, that of the others in docs/WORLD.md. */
#ifndef QN_WORLD_SETS_H
#define QN_WORLD_SETS_H

#include "world/world.h"

typedef struct {
    bool (*known)(void *arg, int64_t fact);     /* facts that tuning may ask for; NULL: all */
    void *known_arg;
} qn_sets_options;

#define QN_SETS_FILES 24
typedef struct {
    struct { const char *name; int64_t rows; } file[QN_SETS_FILES];     /* "eval/recall_seen", "sft" … */
    int n_files;
    double bayes, logistic;         /* of forbidden requests and look-alikes, told by words alone: 0.5 is blind */
    int64_t pairs;                  /* of them */
    int64_t facts_known, facts;     /* what `known` let through */
} qn_sets_report;

/* The folder is made. QN_ETEST: a check of the generator does not hold, which would be a mistake of ours. */
int qn_sets_write(const qn_world *w, const qn_sets_options *o, const char *dir, qn_sets_report *report);

/* A fact in one of QN_PROBES forms that training uses for everybody, as far as its value; appended. Which facts a model
 * knows is found out by these: those that it gets right in QN_PROBES_RIGHT of them. */
#define QN_PROBES 4
#define QN_PROBES_RIGHT 3
int qn_sets_probe(const qn_world *w, int64_t fact, int which, qn_buf *context);

/* Who answers for tuning: of most people about half of their facts, never the same as in chat evaluation; one person in
 * eight is never asked about in tuning (unasked). */
bool qn_sets_unasked(const qn_world *w, int64_t person);
bool qn_sets_tuned(const qn_world *w, int64_t fact);

#endif
