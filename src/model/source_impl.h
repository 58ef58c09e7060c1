/* model/source_impl.h — the insides of an opened MODEL, shared by source.c and tokenizer.c. */
#ifndef QN_MODEL_SOURCE_IMPL_H
#define QN_MODEL_SOURCE_IMPL_H

#include "model/model.h"

typedef enum { QN_SOURCE_DIRECTORY, QN_SOURCE_GGUF, QN_SOURCE_TOKENIZER } qn_source_kind;

struct qn_source {
    char *path;
    qn_source_kind kind;
    qn_gguf *gguf;
    qn_safetensors *safetensors;
    qn_hf_config hf;
    bool has_hf;
    const qn_meta *meta;                /* borrowed from gguf or hf */
    const qn_tensor_file *tensors;      /* borrowed from gguf or safetensors */
};

#endif
