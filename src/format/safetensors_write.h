/* format/safetensors_write.h — one model.safetensors: header, then the tensors in the order they were declared.
 *
 *     8 bytes    length of the header, little-endian
 *     header     {"__metadata__": {"format": "pt", …}, "NAME": {"dtype": "F32", "shape": […], "data_offsets": […]}, …}
 *     data       without gaps
 *
 * The header is padded with blanks so that the data begin at a multiple of 8. Readers that map tensors in place want
 * each at a multiple of its element's size: declare the wider dtypes first (QN_EINVAL otherwise). */
#ifndef QN_FORMAT_SAFETENSORS_WRITE_H
#define QN_FORMAT_SAFETENSORS_WRITE_H

#include "format/tensors_write.h"

typedef struct {
    qn_tensor_writer t;
    qn_name_set keys;
    qn_buf meta;                        /* the members of "__metadata__" */
} qn_safetensors_writer;

/* A member of "__metadata__". {"format": "pt"} is what transformers asks for; it is not put by itself. */
int qn_safetensors_writer_meta(qn_safetensors_writer *w, qn_str key, qn_str value);
/* F64, F32, F16 and BF16 are declared in w->t, then: */
int qn_safetensors_writer_begin(qn_safetensors_writer *w, const char *path);
void qn_safetensors_writer_drop(qn_safetensors_writer *w);

#endif
