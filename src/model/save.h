/* model/save.h — what stands beside the weights of a model that is written: configuration, tokenizer; both spellings.
 *
 *   save_config.c      the family's key table into GGUF keys or config.json; generation_config.json
 *   save_rope.c        llama3's scaling: three numbers in config.json, a tensor of divisors in GGUF
 *   save_tokenizer.c   tokenizer.json, tokenizer_config.json; tokenizer.ggml.*
 *   save_embedding.c   how hidden states become one vector: sentence-transformers' files, keys of GGUF
 *   tokenizer_files.c  the tokenizer of any source as the two files of a directory
 *   convert.h .c       a whole model from one form to the other
 *
 * Texts are appended to buffers and keys put into writers; files are the caller's business. */
#ifndef QN_MODEL_SAVE_H
#define QN_MODEL_SAVE_H

#include "format/gguf_write.h"
#include "model/embedding.h"

/* What is to be written. Everything is borrowed. */
typedef struct {
    const qn_arch *arch;
    const qn_config *cfg;
    bool has[QN_PARAMS];            /* parameters that the model has, in any layer */
    qn_dtype dtype;                 /* that holds most numbers of the matrices */
} qn_save_model;

/* QN_EUNSUPPORTED where the form cannot say what the model is: an activation, a window, half of the biases … */
int qn_save_check(const qn_save_model *m, bool is_gguf);

/* config.json as both old and new transformers read it. */
int qn_save_config_json(const qn_save_model *m, qn_buf *out);
/* The text of a config.json with another dtype in it, all else as it stands. */
int qn_save_config_dtype(qn_str config, qn_dtype dtype, qn_buf *out);
int qn_save_generation_json(const qn_config *c, const qn_sampling_defaults *d, qn_buf *out);
/* general.architecture and everything after "<arch>."; general.sampling.*. */
int qn_save_config_gguf(const qn_save_model *m, qn_gguf_writer *w);
int qn_save_sampling_gguf(const qn_sampling_defaults *d, qn_gguf_writer *w);

/* ---- vectors of texts ---- */

/* modules.json, 1_Pooling/config.json, sentence_bert_config.json. */
int qn_save_modules_json(const qn_embedding *e, qn_buf *out);
int qn_save_pooling_json(const qn_embedding *e, int64_t D, qn_buf *out);
int qn_save_limit_json(const qn_embedding *e, qn_buf *out);
/* <arch>.attention.causal and .pooling_type, which llama.cpp reads; quern.embedding.*. A pooling that llama.cpp has no
 * number for is told in a warning. */
int qn_save_embedding_gguf(const qn_embedding *e, const qn_save_model *m, qn_gguf_writer *w);

/* ---- llama3's RoPE scaling ---- */

/* divisor[rot/2]: what GGUF's rope_freqs.weight holds. */
void qn_rope_divisors(const qn_rope_config *r, float *divisor);
/* The rule behind r->divisor, into *r (divisors: 0). QN_EUNSUPPORTED if there is none. */
int qn_rope_from_divisors(qn_rope_config *r);

/* ---- tokenizer ---- */

/* The tables of a source's tokenizer; to be dropped. Its tokenizer.json as it stands: 1 found, 0 there is none. */
int qn_source_tokenizer_spec(const qn_source *s, qn_tok_spec *spec);
int qn_source_tokenizer_json(const qn_source *s, qn_buf *out);
/* Both files as a directory holds them: as they stand where the source has them, else made from its tables. config
 * stays empty where a tokenizer alone has none. */
int qn_source_tokenizer_files(const qn_source *s, qn_buf *json, qn_buf *config);
/* Takes "[PAD12]" for id 12 out: a row of the embedding that no token has, as GGUF spells it. */
void qn_save_drop_padding(qn_tok_spec *s);

/* bos_token and its like by name, the chat template (empty: none), the context. */
int qn_save_tokenizer_config_json(const qn_tok_spec *spec, const qn_config *c, qn_str chat_template, qn_buf *out);
/* tokenizer.huggingface.json = json, whole; and what llama.cpp reads: tokenizer.ggml.*. Where llama.cpp would tokenize
 * differently, that is said in a warning, and with a pipeline that it has no name for its tables are left out. With an
 * empty spec only the configuration's ids are put. */
int qn_save_tokenizer_gguf(const qn_tok_spec *spec, const qn_config *c, qn_str json, qn_str chat_template,
                           qn_gguf_writer *w);

#endif
