/* world/forms.h — the table behind qn_world_say, for the room's grammar. */
#ifndef QN_WORLD_FORMS_H
#define QN_WORLD_FORMS_H

#include "world/world.h"

#define QN_FORMS 14                 /* a relation: 10 seen, 2 transfer, 2 never */
#define QN_FORMS_TRAINED 12

/* Where a form is at home. NAME: like ANY, but a pronoun would not do. REQUEST: in letters, but nobody says that it is
 * so, since it asks for something. */
enum {
    QN_REGISTER_ANY, QN_REGISTER_NAME, QN_REGISTER_NEWS, QN_REGISTER_TALK, QN_REGISTER_LETTER, QN_REGISTER_LEDGER,
    QN_REGISTER_REQUEST
};
typedef struct { const char *text; uint8_t kind, place; } qn_form;

const qn_form *qn_form_get(qn_relation r, int form);
int qn_form_put(const qn_world *w, const qn_say *s, const char *text, qn_buf *out, qn_said *said);

#endif
