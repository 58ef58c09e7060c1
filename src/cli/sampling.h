/* cli/sampling.h — how an answer is sampled, from the options that generate and chat share; and what it cost. */
#ifndef QN_CLI_SAMPLING_H
#define QN_CLI_SAMPLING_H

#include "cli/open_model.h"
#include "infer/generate.h"

/* No defaults in the table: they depend on the command and, for chat, on the model. */
#define QN_OPTS_SAMPLING                                                                                             \
    QN_OPT_FLOAT("t", "temp", NULL, 0, 100, "temperature; 0 always takes the likeliest token"),                      \
    QN_OPT_INT("", "top-k", NULL, 0, 16777216, "draw among the N likeliest tokens; 0 among all"),                    \
    QN_OPT_FLOAT("", "typical", NULL, 1e-6, 1, "draw among the most typical tokens that hold this much probability"), \
    QN_OPT_FLOAT("", "top-p", NULL, 0, 1, "draw among the likeliest tokens that hold this much probability"),        \
    QN_OPT_FLOAT("", "min-p", NULL, 0, 1, "draw among tokens with this share of the likeliest's probability"),       \
    QN_OPT_FLOAT("", "xtc-probability", NULL, 0, 1, "XTC: so often leave out the top choices but the last"),         \
    QN_OPT_FLOAT("", "xtc-threshold", NULL, 0, 1, "XTC: a top choice has at least this probability (else 0.1)"),     \
    QN_OPT_INT("", "mirostat", NULL, 0, 2, "instead of these cuts keep surprise constant, by version 1 or 2"),       \
    QN_OPT_FLOAT("", "mirostat-tau", NULL, 0, 100, "Mirostat: the surprise aimed at, in bits (else 5)"),             \
    QN_OPT_FLOAT("", "mirostat-eta", NULL, 0, 10, "Mirostat: how fast it is reached (else 0.1)"),                    \
    QN_OPT_FLOAT("", "repetition-penalty", NULL, 0.01, 100, "divide the logits of tokens seen; 1 is off"),           \
    QN_OPT_FLOAT("", "frequency-penalty", NULL, -100, 100, "subtract from a logit for each occurrence"),             \
    QN_OPT_FLOAT("", "presence-penalty", NULL, -100, 100, "subtract from the logit of a token seen"),                \
    QN_OPT_INT("", "penalty-last", "64", -1, 16777216, "penalties look back on N tokens; -1 on all"),                \
    QN_OPT_FLOAT("", "dry-multiplier", NULL, 0, 100, "DRY: how hard going on as before is punished; 0 is off"),      \
    QN_OPT_FLOAT("", "dry-base", NULL, 1, 100, "DRY: for each token more, by this much harder (else 1.75)"),         \
    QN_OPT_INT("", "dry-allowed", NULL, 1, 16777216, "DRY: so many tokens may repeat unpunished (else 2)"),          \
    QN_OPT_INT("", "dry-last", NULL, -1, 16777216, "DRY looks back on N tokens; without it on all"),                 \
    QN_OPT_LIST("", "dry-breaker", "TEXT", "DRY: nothing repeats across TEXT; else line break, colon, quote, star"), \
    QN_OPT_LIST("", "logit-bias", "ID:X", "add X to the logit of token ID; -inf forbids it"),                        \
    QN_OPT_INT("", "seed", "0", 0, QN_SEED_MAX, "seed of the draws; the same seed gives the same answer"),           \
    QN_OPT_LIST("", "stop", "TEXT", "end the answer before TEXT"),                                                   \
    QN_OPT_FLAG("", "ignore-eos", "go on after the end-of-sequence token"),                                          \
    QN_OPT_FLAG("", "special", "give out the text of special tokens too")

/* Of commands that give one answer after another: a server has grammars from requests. */
#define QN_OPTS_GRAMMAR                                                                                              \
    QN_OPT_FILE("", "grammar", NULL, "the answer is what the GBNF grammar in FILE spells"),                          \
    QN_OPT_FILE("", "json-schema", NULL, "the answer is JSON that the JSON Schema in FILE describes")

/* {0} is empty and may be dropped; stays where it is as long as a grammar is bound. */
typedef struct {
    bool by_request;            /* these are defaults: what is off here may be on in a request */
    qn_generate_options o;
    qn_str *stop;               /* what o.stop points to */
    qn_logit_bias *bias;        /* … o.sampler.bias */
    uint64_t *breaks;           /* … o.sampler.dry_breaks */
    qn_syntax *grammar;        /* NULL without --grammar and --json-schema … */
    qn_token_trie *trie;        /* … and what o.sampler.guide is made of */
    qn_masks *masks;
    qn_guide guide;
} qn_sampling;

/* What a talk is sampled with when neither the model nor the user says otherwise. */
qn_sampler_options qn_sampling_lively(void);
/* `source`: whose recommendations go over `base` (NULL: nobody's); what the user wrote goes over both. `extra_stop`:
 * one more stop string, or NULL. Says with --verbose what has come out. */
int qn_sampling_get(qn_cli *c, const qn_sampler_options *base, const qn_source *source, const char *extra_stop,
                    qn_sampling *s);
/* What QN_OPTS_GRAMMAR asked for. */
int qn_sampling_grammar(const qn_cli *c, qn_sampling *s);
/* What needs the vocabulary, once the session of m is open: a grammar is bound, DRY's breakers and biases are looked
 * up. QN_EUSAGE: a bias for a token that is not there. */
int qn_sampling_bind(const qn_cli *c, const qn_opened *m, qn_sampling *s);
void qn_sampling_drop(qn_sampling *s);

/* Tokens per second of the two phases; 0 where nothing was measured. The first token of an answer comes out of the
 * prefill. */
double qn_prefill_rate(const qn_generate_result *r);
double qn_decode_rate(const qn_generate_result *r);
/* The figures of one answer as members of an open JSON object. */
void qn_put_result_json(qn_jw *w, const qn_opened *m, const qn_generate_result *r);
/* A remark where an answer was cut because the context is full; nothing otherwise. */
void qn_warn_context(const qn_opened *m, const qn_generate_result *r);

#endif
