/* report/members.h — for this room and for the demo: members of JSON objects by name, forgiving: what is not there
 * or of another kind is nothing. For small texts (a manifest): each look is a walk through the object. */
#ifndef QN_REPORT_MEMBERS_H
#define QN_REPORT_MEMBERS_H

#include "base/json.h"

/* The raw text of a member; an empty view where there is none. `path` may go deeper: "machine.cpu". */
qn_str qn_member(qn_str object, const char *path);
double qn_member_number(qn_str object, const char *path);               /* NaN: none; true is 1 */
/* A string decoded, anything else as it stands, appended. */
int qn_value_text(qn_buf *out, qn_str value);
double qn_value_number(qn_str value);
/* Calls each(arg, key, raw value) for members of an object, each(arg, {0}, raw value) for items of an array; a broken
 * text ends the walk quietly, a negative return ends it with that. */
typedef int qn_member_fn(void *arg, qn_str key, qn_str value);
int qn_members_each(qn_str text, qn_member_fn *each, void *arg);

#endif
