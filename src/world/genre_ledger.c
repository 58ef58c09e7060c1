/* world/genre_ledger.c — ledgers: a line for each fact. */
#include "world/grammar.h"

const qn_rule qn_rules_ledger[] = {
    RULE("ledger",
         "^book of {ledger.of}, page {!n1}\n\n{!line}{!next}{!line}{!next}{!line}{!next}{!line}{!next}{!line}"),
    RULE("ledger.of", "the town", "names", "the clerk", "the market", "{place}"),
    RULE("ledger.before", "{!n1}. ", "no. {!n1}: "),
    RULE("ledger.after", "; {count} pence {at}", "; paid {at}", "; asked the {n1:folk}", "; {count} {p1:thing}",
         "; seen {at}"),
    RULE_END
};
