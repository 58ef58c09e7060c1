/* cli/world_report.h — what `data world` made: as world.json, as JSON on stdout, and as a short table. */
#ifndef QN_CLI_WORLD_REPORT_H
#define QN_CLI_WORLD_REPORT_H

#include "cli/cli.h"
#include "world/corpus_write.h"
#include "world/text_measure.h"
#include "world/name_check.h"
#include "world/sets.h"

typedef struct {
    const qn_world *w;
    const char *out, *compare;          /* the folder; the text beside which the corpus is measured, or NULL */
    bool sidecar;
    qn_corpus_written corpus;
    qn_sets_report sets;
    qn_name_check names;
    qn_text_measure text, other;        /* of the corpus's first megabytes; of `compare` */
} qn_world_report;

/* Measures the texts that are in `folder`, and the one to compare with. */
int qn_world_report_measure(qn_world_report *r, const char *folder);
void qn_world_report_json(const qn_world_report *r, qn_jw *w);
int qn_world_report_file(const qn_world_report *r, const char *folder);         /* FOLDER/world.json */
int qn_world_report_text(qn_cli *c, const qn_world_report *r);
void qn_world_report_drop(qn_world_report *r);

#endif
