/* world/grammar.h — texts as rules with slots.
 *
 *     RULE("tale.end", "^{A.he} never lost {=1} again.", "3*^{A} went home[, singing|].")
 *
 * A rule is a list of alternatives, chosen evenly or by the weights in front of them (3*). In them:
 *
 *   [x|y|]         one of these                         {rule}        what that rule says
 *   ^              the next letter is a capital         {a}           a or an, by what follows         \[  [ itself
 *   {A} {A.first}  a person by name, by given name      {A.he} .him .his .himself    … by pronoun
 *   {n1:rule}      a noun ("key/keys") in a number that is drawn; {s1:…} singular, {p1:…} plural
 *   {1:rule}       what agrees with noun 1 ("opens/open"); {1.is} .was .has .it .them .its
 *   {$1=rule}      what that rule says, kept;            {$1}          the same words again; {$1.was} agrees with them
 *   {!name}        a function of the room (natives.c): facts, sums
 *
 * A rule whose first alternative is "~c" draws from bag c: no word twice in a text until all have been drawn. Rules
 * that share a bag have the same words in the same order (a place and "at" that place).
 *
 * Persons A … H are cast when they first appear: strangers, or people with facts whom the plan has put there. Rules are
 * compiled once, when the world is made. */
#ifndef QN_WORLD_GRAMMAR_H
#define QN_WORLD_GRAMMAR_H

#include "world/gen.h"

typedef struct { const char *name; const char *const *alt; } qn_rule;
#define RULE(name, ...) {name, (const char *const[]){__VA_ARGS__, NULL}}
#define RULE_END {NULL, NULL}

/* The tables: words that all share, then genre by genre. */
#define QN_RULE_TABLES(X)                                                                                              \
    X(qn_rules_words) X(qn_rules_clauses) X(qn_rules_facts) X(qn_rules_story) X(qn_rules_tale) X(qn_rules_rhyme)       \
    X(qn_rules_entry) X(qn_rules_letter) X(qn_rules_dialogue) X(qn_rules_news) X(qn_rules_recipe) X(qn_rules_ledger)   \
    X(qn_rules_sums) X(qn_rules_passage) X(qn_rules_lesson)
#define QN_RULE_TABLE(name) extern const qn_rule name[];
QN_RULE_TABLES(QN_RULE_TABLE)
#undef QN_RULE_TABLE

typedef void qn_native_fn(qn_gen *g);
typedef struct { const char *name; qn_native_fn *fn; } qn_native;
extern const qn_native qn_natives[];            /* NULL-terminated */

struct qn_grammar;
int qn_grammar_new(struct qn_grammar **out);    /* QN_EINVAL: a rule that is wrong, which is our own bug */
void qn_grammar_free(struct qn_grammar *gr);
int qn_grammar_find(const struct qn_grammar *gr, const char *name);     /* -1 */
void qn_gen_rule(qn_gen *g, int rule);
void qn_gen_say(qn_gen *g, const char *name);   /* by name: for what happens once a document */

#endif
