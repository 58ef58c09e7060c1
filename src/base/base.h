/* base/base.h — storey 0, the ground floor: what every room stands on. Includes nothing of ours.
 *
 *   compiler.h   attributes, overflow-checked arithmetic, qn_assert
 *   err.h        one error list; qn_fail, QN_TRY
 *   mem.h        counted allocation, arenas, failure injection
 *   str.h        views, buffers, UTF-8, string map
 *   log.h        the log sink and the clock
 *   rng.h        counter-based random numbers
 *   -- on demand --
 *   file.h       maps, whole reads, atomic writes
 *   dir.h        folders: listed, removed, moved into place
 *   pool.h       threads
 *   json.h       pull parser and writer     numtext.h    floats as short texts
 *   inject.h     failures on demand, inside the room */
#ifndef QN_BASE_BASE_H
#define QN_BASE_BASE_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"

#endif
