/* cli/model_facts.c — reads the tables of a MODEL; whatever is not understood becomes a sentence, not a failure. */
#include "cli/model_facts.h"

#include <stdlib.h>
#include <string.h>

#include "infer/session.h"

static bool add_type(qn_model_facts *f, const qn_tensor_info *t) {
    size_t i = 0;
    while (i < f->types && strcmp(f->type[i].type, t->type) != 0)
        i++;
    if (i == QN_FACT_TYPES)
        return false;
    if (i == f->types)
        f->type[f->types++] = (qn_type_share){.type = t->type, .supported = t->dtype >= 0};
    f->type[i].tensors++;
    f->type[i].numbers += qn_tensor_elements(t);
    f->type[i].bytes += t->bytes;
    return true;
}

static int by_numbers(const void *a, const void *b) {
    const qn_type_share *x = a, *y = b;
    return (x->numbers < y->numbers) - (x->numbers > y->numbers);
}

/* As model/load.c packs it: matrices in panels, vectors as f32. */
static uint64_t packed(const qn_tensor_info *t) {
    if (t->rank != 2 || t->dtype < 0)
        return (uint64_t)qn_tensor_elements(t) * sizeof(float);
    const qn_dtype to = t->dtype == QN_F64 ? QN_F32 : (qn_dtype)t->dtype;
    return (uint64_t)qn_panels(t->dims[0]) * qn_panel_bytes(to, t->dims[1]);
}

static int keep_message(char **to) {
    *to = qn_str_dup(QN_MEM_CLI, qn_str_of(qn_error_message()));
    return *to ? 0 : QN_ENOMEM;
}

static int read_tensors(qn_model_facts *f, const qn_tensor_file *tensors, qn_isa isa) {
    for (size_t i = 0; i < tensors->maps; i++)
        f->file_bytes += tensors->map[i].n;
    for (size_t i = 0; i < qn_tensor_count(tensors); i++) {
        const qn_tensor_info *t = qn_tensor_at(tensors, i);
        f->tensors++;
        f->numbers += qn_tensor_elements(t);
        const bool idle = f->arch && qn_arch_leaves_out(f->arch, t->name);     /* an old buffer, of whatever type */
        f->packed_bytes += idle ? 0 : packed(t);
        qn_assert(add_type(f, t));                      /* the readers refuse types that nobody knows */
        if (!f->problem && !idle && qn_tensor_need_dtype(tensors, t) < 0)
            QN_TRY(keep_message(&f->problem));
    }
    qsort(f->type, f->types, sizeof *f->type, by_numbers);
    const int main_dtype = f->types ? qn_dtype_from_name(qn_str_of(f->type[0].type)) : -1;
    const qn_model like = {.main_dtype = main_dtype >= 0 ? (qn_dtype)main_dtype : QN_BF16};
    f->kv = qn_default_kv(&like, qn_kernels_at(isa));
    if (f->arch) {
        const uint64_t vectors = 2 * (uint64_t)f->config.layers * (uint64_t)f->config.kv_heads;
        f->kv_bytes = vectors * qn_kv_block_bytes(f->kv, f->config.Dh) / QN_KEY_BLOCK;
        f->kv_q8_0_bytes = vectors * qn_kv_block_bytes(QN_Q8_0, f->config.Dh) / QN_KEY_BLOCK;
    }
    return 0;
}

/* A GGUF says that the head is the embedding by leaving it out. */
static void read_tied(qn_model_facts *f, const qn_tensor_file *tensors) {
    const qn_param *head = f->arch ? qn_arch_param(f->arch, QN_P_HEAD) : NULL;
    if (head && qn_source_is_gguf(f->source))
        f->config.tied = !qn_tensor_find(tensors, head->gguf);
}

/* A text of the metadata; a value of another kind is as good as none here. */
static qn_str text_of(const qn_meta *m, const char *key) {
    qn_str s = {0};
    return qn_meta_get_str(m, key, &s) > 0 ? s : (qn_str){0};
}

static void read_names(qn_model_facts *f, const qn_meta *m) {
    qn_meta_array classes;
    if (qn_source_is_gguf(f->source)) {
        f->name = text_of(m, "general.name");
        f->architecture = text_of(m, "general.architecture");
        return;
    }
    f->name = text_of(m, "_name_or_path");
    f->architecture = text_of(m, "model_type");
    if (qn_meta_get_array(m, "architectures", QN_META_STRING, &classes) > 0 && classes.count > 0)
        f->architecture = qn_meta_array_str(&classes, 0);
}

static int read_embedding(qn_model_facts *f) {
    if (!f->arch)
        return 0;
    f->encoder = qn_arch_is_encoder(f->arch, &f->config);
    if (qn_source_embedding(f->source, &f->embedding) < 0)
        return f->encoder ? keep_message(&f->problem) : 0;
    f->embeds = f->encoder || f->embedding.said;
    return 0;
}

static int read_model(qn_model_facts *f, qn_isa isa) {
    const qn_meta *m = qn_source_meta(f->source);
    const qn_tensor_file *tensors = qn_source_tensors(f->source);
    f->format = !m ? "tokenizer.json" : qn_source_is_gguf(f->source) ? "GGUF" : "Hugging Face directory";
    if (m) {
        read_names(f, m);
        if (qn_source_config(f->source, &f->arch, &f->config) < 0) {
            f->arch = NULL;
            QN_TRY(keep_message(&f->problem));
        }
        QN_TRY(read_embedding(f));
    }
    if (!tensors)
        return 0;
    read_tied(f, tensors);
    return read_tensors(f, tensors, isa);
}

int qn_model_facts_get(qn_model_facts *f, const char *path, qn_isa isa) {
    QN_TRY(qn_source_open(&f->source, path));
    QN_TRY(read_model(f, isa));
    if (qn_source_tokenizer(f->source, &f->tok) < 0)
        QN_TRY(keep_message(&f->tok_problem));
    if (qn_source_chat_template(f->source, &f->chat_template) <= 0)
        f->chat_template = (qn_str){0};
    return qn_source_sampling(f->source, &f->sampling);
}

void qn_model_facts_drop(qn_model_facts *f) {
    qn_tok_free(f->tok);
    qn_free(f->problem);
    qn_free(f->tok_problem);
    qn_source_close(f->source);
    *f = (qn_model_facts){0};
}
