/* cli/training_disk.c — what room a run's checkpoints take, before step 1.
 *
 *     newest, up to --keep     best, if one is looked for     one that is being written, before the oldest goes
 *
 * Where not even one fits, nothing is begun: its first would fail, after the work. Where not all fit, that is said:
 * such a run stops at a checkpoint that the disk has no room for, and goes on from the one before. What else a run
 * writes is small beside them. */
#include <stdio.h>

#include "base/dir.h"
#include "cli/training.h"

static const char *size_text(double bytes, char out[32]) {
    snprintf(out, 32, bytes < 1e9 ? "%.1f MB" : "%.1f GB", bytes < 1e9 ? bytes / 1e6 : bytes / 1e9);
    return out;
}

int64_t qn_training_checkpoints(const qn_training *t) {
    const qn_recipe *r = &t->recipe;
    const int64_t written = r->checkpoint_every > 0 ? (r->steps + r->checkpoint_every - 1) / r->checkpoint_every : 1;
    const bool best = r->eval_every > 0 && qn_train_has_validation(t->data, t->examples);
    return QN_MIN(written, r->keep) + best + (written > r->keep);
}

int qn_training_room(const qn_training *t, const char *dir) {
    const int64_t each = qn_trainer_checkpoint_bytes(t->trainer);
    char need[32], there[32];
    int64_t room;
    QN_TRY(qn_dir_room(dir, &room));
    if (room >= each)
        return 0;
    return qn_fail(QN_EIO, "%s: a checkpoint of this run takes %s, that disk has %s left; make room, or choose another "
                   "folder", dir, size_text((double)each, need), size_text((double)room, there));
}

void qn_training_say_disk(const qn_training *t, const char *dir) {
    const int64_t each = qn_trainer_checkpoint_bytes(t->trainer), n = qn_training_checkpoints(t);
    const double all = (double)each * (double)n;
    char need[32], one[32], there[32];
    int64_t room = 0;
    const bool known = dir && qn_dir_room(dir, &room) >= 0;
    qn_log(QN_LOG_INFO, "disk    up to %s: %lld checkpoint%s of %s", size_text(all, need), (long long)n, qn_plural(n),
           size_text((double)each, one));
    if (known && room >= each && (double)room < all)
        qn_log(QN_LOG_WARN, "%s: that disk has %s left, less than all checkpoints take (%s); where it is full the run "
               "stops, and `quern train resume` goes on when there is room; --keep 1 takes less", dir,
               size_text((double)room, there), need);
}
