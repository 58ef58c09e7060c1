/* format/byte_stream.h — bytes in order out of a file, packed or not, or standard input. What begins like gzip or zstd
 * is unpacked, whatever it is called; several members or frames one behind the other are one stream. */
#ifndef QN_FORMAT_BYTE_STREAM_H
#define QN_FORMAT_BYTE_STREAM_H

#include "base/str.h"

typedef struct qn_byte_stream qn_byte_stream;
int qn_byte_stream_open(qn_byte_stream **out, const char *path);        /* "-" is standard input */
void qn_byte_stream_close(qn_byte_stream *b);                           /* NULL is fine */
/* Up to n bytes (n > 0), fewer only at the end; *got 0 is the end. QN_EIO; QN_ETRUNC and QN_EFORMAT for a packed
 * file that is cut off or damaged; QN_ELIMIT for zstd with a window of more than 128 MB; QN_ECANCEL where a signal
 * ended the wait for more. */
int qn_byte_stream_read(qn_byte_stream *b, char *to, size_t n, size_t *got);
const char *qn_byte_stream_name(const qn_byte_stream *b);               /* the path, or "standard input" */

#endif
