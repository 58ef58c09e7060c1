/* format/hf_config.h — the small files of a Hugging Face model directory, and what differs between their authors:
 *
 *   config.json             required        the architecture
 *   generation_config.json  optional        EOS, sampling defaults; its eos_token_id wins over config.json's
 *   tokenizer_config.json   optional        special tokens by text, add_bos_token, chat template
 *   chat_template.jinja     optional        wins over the template inside tokenizer_config.json */
#ifndef QN_FORMAT_HF_CONFIG_H
#define QN_FORMAT_HF_CONFIG_H

#include "format/meta.h"

#define QN_HF_CONFIG_MAX ((size_t)16 << 20)     /* bytes of any one of the files */

typedef struct {
    qn_meta *config;                    /* NULL behind qn_hf_config_open_words only */
    qn_meta *generation, *tokenizer;    /* NULL where the file is absent */
    qn_buf template_file;               /* chat_template.jinja; s is NULL where the file is absent */
} qn_hf_config;

int qn_hf_config_open(qn_hf_config *c, const char *dir);    /* QN_ENOTFOUND without config.json; c is empty then */
/* Of a tokenizer without a model: only what stands beside tokenizer.json. */
int qn_hf_config_open_words(qn_hf_config *c, const char *dir);
void qn_hf_config_close(qn_hf_config *c);

/* Each: 1 found, 0 absent, <0 error. */
/* eos_token_id of generation_config.json, else config.json (else its text_config): a number or a list. */
int qn_hf_eos_ids(const qn_hf_config *c, int64_t *ids, size_t cap, size_t *n);
/* "bos_token", "eos_token", "pad_token", "unk_token" of tokenizer_config.json: text, or an object with "content". */
int qn_hf_token_text(const qn_hf_config *c, const char *key, qn_str *out);
/* The template `name`; NULL or "default" is the ordinary one. tokenizer_config.json holds text or a list of {name,
 * template}; chat_template.jinja is the ordinary one where it exists. */
int qn_hf_chat_template(const qn_hf_config *c, const char *name, qn_str *out);

#endif
