/* world/genre_ledger.c — ledgers: a numbered line for each fact, what was paid, and what that makes. */
#include "world/grammar.h"

const qn_rule qn_rules_ledger[] = {
    RULE("ledger",
         "^book of {ledger.of}, page "
         "{!n1}\n\n{!line}{!next}{!line}{!next}{!line}{!next}{!line}{!next}{!line}{ledger.all}"),
    RULE("ledger.of", "the town", "names", "the clerk", "the market", "{place}"),
    RULE("ledger.before", "{!row}. "),
    RULE("ledger.after", "2*; {!pence} pence", "2*; {!pence} pence {at}", "; paid {!pence} pence {at}",
         "; {!pence} pence to the {s1:folk}", "; {!pence} pence for {count} {p1:thing}"),
    RULE("ledger.all", "^in all {!total} pence.", "^together {!total} pence.", "^that makes {!total} pence."),
    RULE_END
};
