/* world/genre_ledger.c — ledgers: a line for each fact, and accounts with sums. */
#include "world/grammar.h"

const qn_rule qn_rules_ledger[] = {
    RULE("ledger", "^book of {ledger.of}, page {!n1}\n\n{!line}{!next}{!line}{!next}{!line}{!next}{!line}{!next}{!line}"),
    RULE("ledger.of", "the town", "names", "the clerk", "the market", "{place}"),
    RULE("ledger.before", "{!n1}. ", "no. {!n1}: ", "item {!n1}: "),
    RULE("ledger.after", "", " ^seen.", " ^paid.", " {count} pence.", " ^checked {at}.", " ^asked the {n1:folk}."),
    RULE_END
};
