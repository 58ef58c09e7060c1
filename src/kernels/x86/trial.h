/* kernels/x86/trial.h — whether tiles can be used: asked once, by cpu.c, where the CPU says that it has them. */
#ifndef QN_KERNELS_X86_TRIAL_H
#define QN_KERNELS_X86_TRIAL_H

#include "kernels/kernels.h"

bool qn_tiles_work(void);

#endif
