/* kernels/linear_ref_f32.c — the scalar twins in float: what runs where there is nothing better. */
#include "kernels/panel_blocks.h"

typedef float real;
#define QN_TWIN(name) name##_scalar
#include "kernels/linear_ref.inc"
