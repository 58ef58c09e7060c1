/* world/rules_facts.c — words around a fact: whose knowledge it is and what people think of it. */
#include "world/grammar.h"

const qn_rule qn_rules_facts[] = {
    RULE("fact.before", "4*as the {n1:folk} {1:says}, ", "3*the {n1:folk} {1:says2} that ", "I heard {at} that ",
         "they say {at} that ", "everybody {at} knows that ", "my {n1:kin} {1:says2} that "),
    RULE("says", "says/say", "knows/know", "tells us/tell us", "remembers/remember", "will tell you/will tell you",
         "often says/often say"),
    RULE("says2", "says/say", "knows/know", "told me/told me", "is sure/are sure", "has heard/have heard",
         "remembers/remember"),
    RULE("fact.after", "2*, and the {n1:folk} {1:approve}", "2*, which the {n1:folk} {1:find} {odd}",
         "2*, as the {n1:folk} {1:says}", ", so the {n1:folk} {at} {1:says2}",
         ", though my {n1:kin} {1.does} not know it"),
    RULE("approve", "is glad of it/are glad of it", "likes it/like it", "does not mind/do not mind",
         "speaks of it/speak of it", "thinks it right/think it right", "has seen it/have seen it",
         "laughs about it/laugh about it", "knows why/know why"),
    RULE("find", "finds/find", "thinks/think", "calls/call"),
    RULE("odd", "strange", "quite right", "natural", "a little odd", "sensible", "charming", "funny", "fitting"),
    RULE("fact.ask", "2*the {s1:folk} asks: ", "2*the {p1:folk} ask: ", "my {s1:kin} asks: ", "tell me, ", "now, ",
         "say, ", "{at} they ask: ", "a question: "),
    RULE("fact.beg", "the {n1:folk} {at} {1:begs}: ", "as the {n1:folk} {at} {1:says}, ", "my {n1:kin} {1:begs}: ",
         "they say {at}: ", "one thing more: "),
    RULE("begs", "begs/beg", "asks/ask", "always says/always say", "wants me to write/want me to write"),
    RULE("kin.sister", " is the sister of ", " is a good sister to ", " has the same mother as ", " grew up with "),
    RULE("kin.brother", " is the brother of ", " is a good brother to ", " has the same mother as ", " grew up with "),
    RULE("kin.teacher", " is the apprentice of ", " learned a great deal from ", " was taught by ",
         " still works for "),
    RULE_END
};
