/* format/tensors.h — the table of tensors that GGUF and safetensors both fill, so that model/ binds names to weights
 * without caring where they lie.
 *
 *     const qn_tensor_info *t;
 *     QN_TRY(qn_tensor_need(file, "blk.0.attn_q.weight", &t));     // names the file if it is not there
 *     QN_TRY(qn_tensor_need_dtype(file, t));                       // names tensor, type and what is supported
 *     … t->data[0 … t->bytes) is t->dims[0] × t->dims[1] numbers of (qn_dtype)t->dtype, row by row …
 *     qn_tensor_drop_pages(file, t);                               // packed: the page cache may have them back
 *
 * Data are views into the read-only map and have no alignment promised (safetensors headers may have any length): read
 * them through num/ or memcpy. Immutable once open; free to share among threads. */
#ifndef QN_FORMAT_TENSORS_H
#define QN_FORMAT_TENSORS_H

#include "base/file.h"
#include "base/str.h"

#define QN_TENSOR_RANK 8                /* the most that is read; GGUF ends at 4 */
#define QN_TENSORS_MAX 131072           /* in one model, all shards together */

typedef struct {
    qn_str name;                        /* borrowed from the open file */
    const char *type;                   /* as the container spells it: "Q4_1", "BF16" */
    int dtype;                          /* a qn_dtype, or -1: a type that num/ does not decode */
    int rank;                           /* 0 (safetensors scalars) … QN_TENSOR_RANK */
    int64_t dims[QN_TENSOR_RANK];       /* outermost first; 1 beyond the rank */
    int map;                            /* which of the file's maps */
    const char *data;                   /* bytes[bytes], row-major, in the map */
    size_t bytes;
} qn_tensor_info;

/* One open container. Owned by the reader that filled it (qn_gguf, qn_safetensors). */
typedef struct {
    char *name;                         /* path, for messages */
    const char *advice;                 /* … about a type that cannot be computed with */
    qn_tensor_info *info;               /* [count], in file order */
    size_t count, cap;
    qn_strmap by_name;
    qn_map_file *map;                   /* [maps]; none when read from memory */
    size_t maps, map_cap;
} qn_tensor_file;

size_t qn_tensor_count(const qn_tensor_file *f);
const qn_tensor_info *qn_tensor_at(const qn_tensor_file *f, size_t i);
const qn_tensor_info *qn_tensor_find(const qn_tensor_file *f, const char *name);                /* NULL: absent */
int qn_tensor_need(const qn_tensor_file *f, const char *name, const qn_tensor_info **out);      /* QN_ENOTFOUND */
int qn_tensor_need_dtype(const qn_tensor_file *f, const qn_tensor_info *t);                     /* QN_EUNSUPPORTED */
int64_t qn_tensor_elements(const qn_tensor_info *t);                                            /* product of dims */
uint64_t qn_tensor_total_bytes(const qn_tensor_file *f);
void qn_tensor_drop_pages(const qn_tensor_file *f, const qn_tensor_info *t);
/* Bytes [from, from + bytes) of it are going to be read: their pages are made ready. */
void qn_tensor_fetch(const qn_tensor_file *f, const qn_tensor_info *t, size_t from, size_t bytes);
/* Drops the pages of some of its bytes, whole ones up to where they end: neighbouring parts leave none between them. */
void qn_tensor_drop_part(const qn_tensor_file *f, const qn_tensor_info *t, size_t from, size_t bytes);
/* QN_EIO when a mapped file has become shorter since it was opened: reading it would end in SIGBUS. */
int qn_tensor_check_size(const qn_tensor_file *f);

/* ---- for the readers ---- */

/* advice: what to do about a tensor of a type that cannot be computed with; a literal. */
int qn_tensor_file_init(qn_tensor_file *f, const char *name, const char *advice);
void qn_tensor_file_drop(qn_tensor_file *f);
/* Maps one more file; *out is valid until the next call, its bytes until drop. */
int qn_tensor_file_map(qn_tensor_file *f, const char *path, const qn_map_file **out);
/* Adds a tensor (name borrowed). A name that is there already is QN_EFORMAT, too many QN_ELIMIT. */
int qn_tensor_file_add(qn_tensor_file *f, const qn_tensor_info *t);
/* QN_EFORMAT if any two of info[from … count) share a byte. */
int qn_tensor_file_check_overlap(const qn_tensor_file *f, size_t from);

#endif
