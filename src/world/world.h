/* world/world.h — storey 4: a closed world out of a seed, and a corpus about it. No outside text; the same bytes
 * everywhere.
 *
 *   world.h, world.c         people and their facts: values, bands, mentions, kinship
 *   names.c                  names of people from one inventory of syllables; people nobody knows
 *   lexicon.h, lexicon.c     the values of each relation and what is true of them (a town's river, a trade's tool)
 *   forms.h, forms.c         the sentences that state a fact: twelve a relation, and some that training never sees
 *   gen.h, gen.c             `choose`, the one place where chance enters a text; spans of bits beside it
 *   grammar.h, grammar.c     texts as rules with slots; agreement, pronouns, copies
 *   rules_*.c genre_*.c      the rules themselves: words and clauses; one file a genre
 *   world_plan.h, .c         which document tells which facts, so that each is told exactly as often as it shall be
 *   corpus_write.h, .c       the files, by fixed tiles on the pool; sidecar.h, .c what each byte of them cost
 *   world_files.h, .c        names in its folder, facts.jsonl; text_measure.h, .c how much a text repeats itself
 *   sets.h                   what is written beside the corpus to judge by and to tune with: a floor plan of its own
 *
 *     qn_world *w; QN_TRY(qn_world_new(&w, 1, QN_WORLD_SMALL));
 *     const qn_person *p = &w->person[3];                   // Marin Belling, who lives in …
 *     qn_str town = qn_world_value(w, QN_REL_HOME, p->value[QN_REL_HOME]);
 *
 * A world never changes once it is made; everything below only reads it, from any thread. */
#ifndef QN_WORLD_WORLD_H
#define QN_WORLD_WORLD_H

#include "base/base.h"

#define QN_WORLD_VERSION "1"        /* of the generator: another one may make other bytes */
#define QN_WORLD_VALUES_MAX 128

typedef enum { QN_WORLD_SMALL, QN_WORLD_MEDIUM, QN_WORLD_LARGE } qn_world_size;

typedef enum {
    QN_REL_HOME, QN_REL_TRADE, QN_REL_ANIMAL, QN_REL_FEAST, QN_REL_TREASURE, QN_REL_INSTRUMENT, QN_RELATIONS
} qn_relation;

typedef enum { QN_BAND_HEAD, QN_BAND_TORSO, QN_BAND_TAIL, QN_BANDS } qn_band;

typedef struct {
    int32_t given, surname;             /* parts of the name: names.c */
    bool she;
    bool taught;                        /* of the quarter for whom training uses the transfer forms too */
    int32_t value[QN_RELATIONS];        /* index into the relation's values */
    int32_t sibling, teacher;           /* people: sibling of each other; whose apprentice this one is */
    qn_str name;                        /* "Marin Belling" */
} qn_person;

typedef struct { uint8_t band; int32_t mentions; } qn_fact;    /* mentions: per pass over the corpus, exactly */

typedef struct {
    uint64_t seed;
    qn_world_size size;
    int64_t people;                     /* 192, 2,000, 20,000 */
    int relations;                      /* 5, 6, 6: QN_REL_HOME … */
    int values;                         /* of each relation: 32, 64, 128 */
    qn_person *person;                  /* [people] */
    qn_fact *fact;                      /* [people × relations] */
    int64_t parts, new_parts;           /* given names (and as many surnames) of people with facts; of others */
    qn_buf names;                       /* behind qn_person.name */
    int32_t *given, *surname;           /* [parts + new_parts]: indices into the inventory */
    qn_str *value[QN_RELATIONS];        /* [values], views of `words` */
    qn_buf words;
    struct qn_grammar *grammar;
} qn_world;

int qn_world_new(qn_world **out, uint64_t seed, qn_world_size size);
void qn_world_free(qn_world *w);                                /* NULL is fine */
int qn_world_size_named(const char *name);                      /* "small" … as qn_world_size, or -1 */
int64_t qn_world_size_bytes(qn_world_size size);        /* of its corpus, in round numbers */
const char *qn_world_size_name(qn_world_size size);

/* ---- facts and values -------------------------------------------------------------------------------------------- */

static inline int64_t qn_fact_id(const qn_world *w, int64_t person, qn_relation r) { return person * w->relations + r; }
static inline int64_t qn_fact_person(const qn_world *w, int64_t fact) { return fact / w->relations; }
static inline qn_relation qn_fact_relation(const qn_world *w, int64_t fact) {
    return (qn_relation)(fact % w->relations);
}

/* Ids behind those of people's facts: what is true of values, then kinship (which 0: sibling, 1: teacher). */
static inline int64_t qn_property_id(const qn_world *w, qn_relation r, int value) {
    return w->people * w->relations + r * QN_WORLD_VALUES_MAX + value;
}
static inline int64_t qn_kin_id(const qn_world *w, int64_t person, int which) {
    return w->people * w->relations + QN_RELATIONS * QN_WORLD_VALUES_MAX + person * 2 + which;
}
static inline int64_t qn_fact_ids(const qn_world *w) { return qn_kin_id(w, w->people, 0); }

const char *qn_relation_name(qn_relation r);                    /* "home", "trade", "animal", "feast" … */
const char *qn_band_name(qn_band b);
/* The bare words of a value ("Aldford", "baker", "silver bell"), and as a text says it ("a baker", "an ox"). */
qn_str qn_world_value(const qn_world *w, qn_relation r, int value);
const char *qn_world_article(const qn_world *w, qn_relation r, int value);     /* "", "a " or "an " */

/* What is true of a value, for chains of two steps: a town's river, a trade's tool, an animal's food, a feast's season.
 * 0 kinds where the relation has none. The corpus states these too, all of them often. */
int qn_world_properties(const qn_world *w, qn_relation r);      /* how many different ones there are */
int qn_world_property(const qn_world *w, qn_relation r, int value);             /* index, -1: none */
const char *qn_world_property_word(qn_relation r, int property);                /* "Ambel", "oven", "seeds", "spring" */
const char *qn_relation_property(qn_relation r);                /* "river", "tool", "food", "season"; NULL: none */
/* "The town of Aldford lies on the river Ambel": the sentence of a property with the name, in one of a few forms;
 * at[0…1) is where the property's word stands. The context of a question is the text before it. */
#define QN_PROPERTY_FORMS 3
int qn_world_say_property(const qn_world *w, qn_relation r, int value, int form, qn_buf *out, size_t at[2]);

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* People without facts: known parts newly combined; or parts that no person with facts has (the corpus knows these
 * parts from strangers in its tales, of whom it tells nothing that lasts: a tokenizer treats both alike). All (kind,
 * evaluation, index) with index < qn_world_unknowns give different names; the corpus and training files use evaluation
 * = false only. */
typedef enum { QN_UNKNOWN_MIXED, QN_UNKNOWN_NEW } qn_unknown;
int64_t qn_world_unknowns(const qn_world *w, qn_unknown kind);
typedef struct { int32_t given, surname; bool she; } qn_name;
qn_name qn_world_unknown(const qn_world *w, qn_unknown kind, bool evaluation, int64_t index);
int qn_name_put(const qn_world *w, qn_name n, qn_buf *out);             /* "Marin Belling" */
int qn_name_put_given(const qn_world *w, qn_name n, qn_buf *out);       /* "Marin" */

/* ---- forms ------------------------------------------------------------------------------------------------------- */

typedef enum {
    QN_FORM_SEEN,           /* for everybody */
    QN_FORM_TRANSFER,       /* in training for people with `taught` only: scored on the others */
    QN_FORM_NEVER           /* never in training */
} qn_form_kind;
int qn_world_forms(qn_relation r);                              /* of all kinds; indices 0 … */
qn_form_kind qn_world_form_kind(qn_relation r, int form);
bool qn_world_form_value_last(qn_relation r, int form);         /* name before value: can be asked from left to right */

typedef struct {
    qn_relation relation;
    int form;
    int value;
    qn_str name;            /* any name: of an unknown person too */
    bool she;
    bool pronoun;           /* "she" in place of the name */
    bool lower;             /* no capital at the beginning: the clause goes on */
} qn_say;
/* Where things stand in what was appended, as offsets into out->s: value with its article begins at `phrase`. */
typedef struct { size_t begin, name, name_end, phrase, value, value_end, end; } qn_said;
/* Appends the clause, without a full stop where it is a clause (qn_world_form_whole says which bring their own). */
int qn_world_say(const qn_world *w, const qn_say *s, qn_buf *out, qn_said *said);
bool qn_world_form_whole(qn_relation r, int form);

#endif
