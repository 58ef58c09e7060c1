/* world/genre_entry.c — entries of an encyclopedia: of a person, and of the world's towns, trades, animals and feasts. */
#include "world/grammar.h"

const qn_rule qn_rules_entry[] = {
    RULE("entry", "{A}\n\n{!tellall}{entry.close}", "{A}\n\n{!tell}{entry.remark}{!again}{!tellall}", "{A}\n\n{!tellall}{!kin}", "{A}\n\n{!tell}{!kin}{!tellall}"),
    RULE("entry.remark", " ^more is known of {A.him} than of most people.", " ^books do not say much else, and {opinion}.",
         " ^the sources {at} agree on this.", "{far}"),
    RULE("entry.close", "", " ^nothing else is recorded.", " ^see also the entry on {B}.",
         " ^{A.he} is often mistaken for {B}.", "{far}"),
    RULE("almanac", "^from the almanac\n\n{!property}{!property}{!property}{!property}{almanac.more}"),
    RULE("almanac.more", "", "{!property}", "{filler}{!property}", "{!property}{!property}{filler}"),
    RULE_END
};
