/* cli/model_facts.h — what can be said about a MODEL without loading it, also where quern cannot run it. */
#ifndef QN_CLI_MODEL_FACTS_H
#define QN_CLI_MODEL_FACTS_H

#include "cli/cli.h"
#include "model/embedding.h"

#define QN_FACT_TYPES 48            /* tensor types in one file; ggml has 40 */

typedef struct {
    const char *type;               /* as the file spells it */
    bool supported;
    int64_t tensors, numbers;
    uint64_t bytes;
} qn_type_share;

/* {0} is empty and may be dropped. Strings are borrowed from the source. */
typedef struct {
    qn_source *source;
    const char *format;             /* "GGUF", "Hugging Face directory", "tokenizer.json" */
    qn_str name, architecture;      /* empty: not said */
    const qn_arch *arch;            /* NULL: not known */
    qn_config config;               /* where arch is known */
    bool encoder;                   /* reads texts whole */
    qn_embedding embedding;         /* where `embeds`: its files say how texts become vectors, or it is an encoder */
    bool embeds;
    char *problem;                  /* why the model cannot be run; NULL where nothing speaks against it */
    /* weights */
    int64_t tensors, numbers;
    uint64_t file_bytes, packed_bytes;          /* packed: in memory, as stored */
    qn_type_share type[QN_FACT_TYPES];          /* by falling share of the numbers */
    size_t types;
    qn_dtype kv;                                /* what a session takes by default, at this ISA level */
    uint64_t kv_bytes, kv_q8_0_bytes;           /* per token, like that and with --kv q8_0 */
    /* tokenizer */
    qn_tok *tok;                    /* NULL: none that can be used, and `tok_problem` says why */
    char *tok_problem;
    qn_str chat_template;           /* s == NULL: none */
    qn_sampling_defaults sampling;
} qn_model_facts;

/* Fails only where the MODEL cannot be opened at all. */
int qn_model_facts_get(qn_model_facts *f, const char *path, qn_isa isa);
void qn_model_facts_drop(qn_model_facts *f);

#endif
