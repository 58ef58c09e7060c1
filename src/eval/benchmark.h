/* eval/benchmark.h — standard benchmarks, read from the files in which they are distributed.
 *
 *   arc.c  hellaswag.c  piqa.c  winogrande.c  mmlu.c  gsm8k.c  blimp.c      one reader each
 *   benchmark.c      the list of them, and what their readers share
 *
 * Prompts, choices and rules are those of lm-evaluation-harness 0.4.9, under the same names. Nothing is fetched: the
 * files are the user's. */
#ifndef QN_EVAL_BENCHMARK_H
#define QN_EVAL_BENCHMARK_H

#include "base/json.h"
#include "eval/task.h"

typedef struct {
    const char *name, *about;
    const char *form;           /* what --data is, for the help and for messages */
    int64_t shots;              /* what is usual */
    /* Fills t from a file, or a folder where `form` says so; examples: what shots are drawn from. QN_EFORMAT names
     * file, line, and the field that was expected. */
    int (*read)(qn_task *t, const char *path, bool examples);
    /* Examples lie beside the data (MMLU's dev): another path is not needed. */
    bool own_examples;
} qn_benchmark;

extern const qn_benchmark qn_benchmarks[];              /* ends with a name of NULL */
const qn_benchmark *qn_benchmark_find(const char *name);        /* NULL: none */

/* The benchmark with its shots: `shots` < 0 is what is usual. They come from `examples` (a path), from beside the data,
 * or, where neither is there, from the data themselves, never the item itself. each: drawn anew for every item. */
typedef struct { int64_t shots; const char *examples; uint64_t seed; bool each; } qn_shot_options;
int qn_benchmark_read(qn_task **out, const qn_benchmark *b, const char *path, const qn_shot_options *o);

/* ---- for readers ---- */

typedef struct { const qn_str *v; int64_t n; } qn_strs;
/* The string that comes next, the value of member `name`, copied into the task. QN_EFORMAT where it is none. */
int qn_read_string(qn_task *t, qn_json *j, const char *name, qn_str *out);
/* A member of a flat object. A number is taken as its spelling. Exactly one of str and strs is set. */
typedef struct { const char *name; qn_str *str; qn_strs *strs; bool optional, seen; } qn_field;
/* The object of a line: fields by name, others passed over. */
int qn_read_fields(qn_task *t, qn_json *j, qn_field *f, size_t n);
/* Calls fn for each line of a file of JSON lines. */
typedef int qn_line_fn(qn_task *t, qn_json *line, void *arg);
int qn_each_line(qn_task *t, const char *path, qn_line_fn *fn, void *arg);
/* An item with a context and choices, each behind a blank; id "0", "1" … where it is empty. */
int qn_add_choices(qn_task *t, qn_str id, qn_str context, qn_strs choices, int64_t answer, qn_task_item **out);

int qn_arc_read(qn_task *t, const char *path, bool examples);
int qn_hellaswag_read(qn_task *t, const char *path, bool examples);
int qn_piqa_read(qn_task *t, const char *path, bool examples);
int qn_winogrande_read(qn_task *t, const char *path, bool examples);
int qn_mmlu_read(qn_task *t, const char *path, bool examples);
int qn_gsm8k_read(qn_task *t, const char *path, bool examples);
int qn_blimp_read(qn_task *t, const char *path, bool examples);
/* HellaSwag's cleaning of one text: " [title]" becomes ". ", what stands in brackets goes, two blanks become one. */
int qn_hellaswag_clean(qn_task *t, qn_str s, qn_str *out);

#endif
