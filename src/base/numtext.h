/* base/numtext.h — numbers as short texts, beside those of str.h. */
#ifndef QN_BASE_NUMTEXT_H
#define QN_BASE_NUMTEXT_H

#include "base/str.h"

/* A short text that reads back to a float; from 1e-13 to 1e13 nine digits at most. NUL-terminated; its length. */
size_t qn_f32_text(float v, char out[QN_F64_TEXT]);

#endif
