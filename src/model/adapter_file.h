/* model/adapter_file.h — adapters on disk, in both forms that others read.
 *
 *     PEFT        DIR/adapter_config.json            r, lora_alpha, use_rslora, rank_pattern, alpha_pattern …
 *                 DIR/adapter_model.safetensors      base_model.model.<module>.lora_A.weight [r,K],
 *                                                    .lora_B.weight [N,r], .lora_magnitude_vector [N] (DoRA)
 *     GGUF        adapter.lora.alpha; <weight>.lora_a [r,K], <weight>.lora_b [N,r]
 *
 *   adapter_file.c    which of them a path is              adapter_peft.c   PEFT's configuration, read and written
 *   adapter_pairs.c   tensors into pairs, all checked      adapter_gguf.c   GGUF's keys, read and written
 *   adapter_group.c   pairs into tensors                   adapter_numbers.c   and back, where pairs are known
 *   adapter_token_file.c  rows of tokens, read and written   adapter_words.c   the tokenizer beside it
 *
 * Rows of B (and magnitudes) are in memory as in Hugging Face's files; those of Q and K lie in GGUF as the weight's do.
 * Which weights have pairs is told by the tensors; a target_modules that says otherwise is refused, since PEFT follows
 * that (adapter_targets.c). Where files keep several weights in one
 * tensor (arch.h: joints) they keep one pair for all of them:
 *
 *     read        q, k, v: A each, and their rows of B; columns of B that are zero there are left out
 *     written     one A under the other, B's blocks along the diagonal: rank 3r, exactly the same products;
 *                 where all have the same A, that A and rank r
 *
 * Rows of single tokens are PEFT's trainable_token_indices (adapter_token_file.c); where the model does not know the
 * tokens, the tokenizer that does stands beside the adapter. GGUF adapters have no place for them.
 *
 * What is not done is refused by name: whole modules beside the pairs (modules_to_save), biases, pairs on embeddings,
 * other methods than LoRA, a base whose weights the method changed (PiSSA and its like). */
#ifndef QN_MODEL_ADAPTER_FILE_H
#define QN_MODEL_ADAPTER_FILE_H

#include "model/adapter.h"

#define QN_PEFT_CONFIG "adapter_config.json"
#define QN_PEFT_WEIGHTS "adapter_model.safetensors"

/* Reads the adapter at `path` for m: a PEFT directory, a GGUF adapter, or a run or a checkpoint that holds the former.
 * QN_ENOTFOUND, QN_EFORMAT, QN_ESHAPE (made for another model, ranks disagree), QN_EUNSUPPORTED, QN_ETRUNC …; the
 * message names file, tensor, what was expected and what is there. */
int qn_adapter_read(qn_adapter **out, const char *path, const qn_model *m);
/* The same for a model of which only family and numbers are known; the lengths of DoRA are not made. */
int qn_adapter_open(qn_adapter **out, const char *path, const qn_arch *arch, const qn_config *c);

typedef enum { QN_ADAPTER_NONE, QN_ADAPTER_PEFT, QN_ADAPTER_GGUF } qn_adapter_form;
/* What stands at `path`, by its looks; *where: the directory or file itself, or NULL. QN_ENOMEM. */
int qn_adapter_form_of(const char *path, qn_buf *where);
/* The base that the files name; 1 found, 0 they name none. */
int qn_adapter_base(const char *path, qn_buf *base);

/* The tokenizer beside an adapter with rows of tokens for a model of V rows, to be closed; NULL: none is there, and the
 * model knows all of them. QN_ENOTFOUND: it does not. */
int qn_adapter_words(qn_source **out, const qn_adapter *a, const char *path, int64_t V);
/* Does the tokenizer beside an adapter, if there is one, mean by an id what the model's does (`model` names that)? But
 * for tokens that the adapter has rows of, and ids that only one of them has. QN_EINVAL names the first other id. */
int qn_adapter_check_words(const qn_adapter *a, const char *path, const qn_tok *tok, const char *model);
/* The same for a model of which nothing is read yet; one without a tokenizer has nothing to say. */
int qn_adapter_check_source(const qn_adapter *a, const char *path, const qn_source *model);

/* Writes; `base` names the model for readers (NULL: nobody knows). Nothing stands under its name before all of it is
 * written; adapter_config.json comes last. The directory is made where there is none. QN_EUNSUPPORTED: DoRA as GGUF,
 * which has no magnitudes, rows of tokens as GGUF, and DoRA on a part of a joint tensor; QN_EIO, QN_ENOMEM. */
int qn_adapter_write_peft(const qn_adapter *a, const qn_config *c, const char *base, const char *dir);
int qn_adapter_write_gguf(const qn_adapter *a, const qn_config *c, const char *base, const char *path);
/* The numbers that qn_adapter_write_peft put into `dir`, to the bit, into an adapter with the same pairs. QN_ENOTFOUND,
 * QN_ESHAPE: other pairs lie there, named; QN_EFORMAT, QN_ENOMEM. */
int qn_adapter_load(qn_adapter *a, const qn_config *c, const char *dir);

/* From one form to the other, or to the same: `out` ends in .gguf or names a directory. `model` is any form of the
 * model that it belongs to, or NULL: the base that the adapter names, if that is here. QN_EINVAL: both are the same, or
 * out exists (without force), or the model's tokenizer is another one than that beside the adapter. */
typedef struct {
    bool is_gguf, dora;             /* what was written */
    const char *arch;               /* static */
    size_t pairs;
    int64_t numbers, least_rank, most_rank;
} qn_adapter_facts;
int qn_adapter_convert(const char *in, const char *out, const char *model, bool force, qn_adapter_facts *facts);

#endif
