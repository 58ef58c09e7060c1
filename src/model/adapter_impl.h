/* model/adapter_impl.h — what the files about adapters on disk share (adapter_file.h draws them). */
#ifndef QN_MODEL_ADAPTER_IMPL_H
#define QN_MODEL_ADAPTER_IMPL_H

#include "base/json.h"
#include "format/tensors_write.h"
#include "model/adapter_file.h"

/* Part of qn_adapter_check: rows as wide as the model, no gap behind its last row, a head for a head. */
int qn_adapter_check_tokens(const qn_adapter *a, const qn_model *m);

/* ---- reading ---- */

/* A file's tensors and what it says about them. Everything is borrowed. */
typedef struct {
    const char *path;                   /* of the tensors, for messages */
    const qn_tensor_file *tensors;
    bool is_gguf;
    double alpha;
    int64_t rank;                       /* 0: not said */
    bool rslora, dora;
    const qn_meta *config;              /* adapter_config.json with its patterns, or NULL */
} qn_adapter_said;

/* adapter_config.json into *said; QN_EFORMAT, QN_EUNSUPPORTED. */
int qn_adapter_peft_said(qn_adapter_said *said, const qn_meta *config);
/* The keys of a GGUF adapter for a model of this family. */
int qn_adapter_gguf_said(qn_adapter_said *said, const qn_meta *m, const qn_arch *arch);
/* What a pattern of adapter_config.json says of a module ("model.layers.0.self_attn.q_proj"); 1 found, 0 nothing. */
int qn_adapter_pattern(const qn_meta *config, const char *table, qn_str module, double *out);

/* The modules that adapter_config.json asks for (adapter_targets.c). UNSAID: nothing is said of them. */
typedef enum { QN_MODULES_UNSAID, QN_MODULES_ALL, QN_MODULES_LIST, QN_MODULES_PATTERN } qn_modules_form;
typedef struct {
    qn_modules_form form;
    qn_meta_array list;
    struct qn_regex *regex;
    struct qn_regex_work *work;
} qn_adapter_modules;
typedef struct {
    qn_adapter_modules target, exclude;
    int64_t *layer;                     /* [n_layers] that layers_to_transform lists; 0: it does not */
    size_t n_layers;
} qn_adapter_targets;
/* Borrows the configuration; NULL asks for nothing. Drop it in any case. */
int qn_adapter_targets_read(qn_adapter_targets *t, const qn_meta *config);
void qn_adapter_targets_drop(qn_adapter_targets *t);
/* Does PEFT put a pair there? Where nothing is said, yes. *by: the member that says no. */
int qn_adapter_targets_has(const qn_adapter_targets *t, qn_str module, int64_t layer, const char **by);

/* All pairs of the file as an adapter called `name`. */
int qn_adapter_pairs(qn_adapter **out, const qn_adapter_said *said, const char *name, const qn_arch *arch,
                     const qn_config *c);

/* ---- rows of tokens: adapter_token_file.c ---- */

/* What the file says of rows of tokens into *a; NULL: only looks whether it does, and marks the tensors that belong to
 * them: 1 or 0. */
int qn_adapter_tokens_read(const qn_adapter_said *said, qn_adapter *a, const qn_arch *arch, const qn_config *c,
                           bool *used);
int qn_adapter_tokens_tensor(const qn_arch *a, bool head, qn_buf *out);
int qn_adapter_tokens_config(const qn_adapter *a, qn_jw *j);        /* one member */
int qn_adapter_tokens_declare(const qn_adapter *a, qn_tensor_writer *t);
int qn_adapter_tokens_stream(const qn_adapter *a, qn_tensor_writer *t);

/* ---- names ---- */

/* The module of a parameter in a directory's names, or the tensor of a GGUF: what the suffixes below follow. */
int qn_adapter_module(const qn_arch *a, const qn_param *p, bool is_gguf, int64_t layer, qn_buf *out);
typedef enum { QN_LORA_A, QN_LORA_B, QN_LORA_MAGNITUDE, QN_LORA_TENSORS } qn_lora_tensor;
int qn_adapter_tensor_name(const char *module, bool is_gguf, qn_lora_tensor which, qn_buf *out);
/* Where both forms say which model it was made on, in a place that others pass over. */
#define QN_ADAPTER_PEDIGREE "quern.base"
/* In a model's directory every name begins so. */
#define QN_PEFT_PREFIX "base_model.model."

/* ---- pairs as they stand in files ---- */

/* One weight's pair, or the one of several weights that files keep in one tensor. */
typedef struct {
    const qn_lora *pair[4];             /* NULL: that part has none */
    const qn_param *part[4];
    int parts;
    int64_t layer, rank, rows, cols;
    double scale;                       /* s of the whole */
    bool shared;                        /* all parts have one A */
} qn_adapter_group;

/* The parts of the tensor in which p lies, in the order of their rows: *n of them; how many rows each has. */
int qn_adapter_parts(const qn_arch *a, const qn_param *p, const qn_param *part[4]);
/* Lists the groups of an adapter, layer by layer; out has room for a->n. */
size_t qn_adapter_groups(const qn_adapter *a, const qn_config *c, qn_adapter_group *out);
/* A [rank,cols]; B [rows,rank] times `factor`, rows in the order of the form; magnitudes [rows]. room: for A and B of
 * the widest part. */
void qn_adapter_group_a(const qn_adapter_group *g, float *a);
void qn_adapter_group_b(const qn_adapter_group *g, const qn_config *c, double factor, bool to_gguf, float *b,
                        float *room);
void qn_adapter_group_magnitude(const qn_adapter_group *g, float *m);

#endif
