/* world/rules_facts.c — words around a fact: whose knowledge it is and what people think of it. */
#include "world/grammar.h"

const qn_rule qn_rules_facts[] = {
    RULE("fact.before", "3*as the {n1:folk} {1:says}, ", "2*as {someone} told the {n1:folk}, ",
         "these days ", "to this day, ", "by all accounts, ", "{at}, they say that ", "if you believe the {n1:folk}, ",
         "the {n1:folk} {at} {1:says2} that ", "everybody {at} knows that "),
    RULE("says", "says/say", "knows/know", "tells us/tell us", "remembers/remember", "likes to say/like to say"),
    RULE("says2", "says/say", "knows/know", "told me/told me", "is sure/are sure", "has heard/have heard"),
    RULE("someone", "somebody {at}", "the {s3:folk}", "an {s3:elder}", "my {s3:kin}", "a letter"),
    RULE("elder", "old neighbour/old neighbours", "old friend/old friends", "honest man/honest men"),
    RULE("kin", "uncle/uncles", "aunt/aunts", "cousin/cousins", "grandmother/grandmothers"),
    RULE("fact.after", "2*, and the {n1:folk} {at} {1:likes}", "2*, which the {n1:folk} {1:find} {odd}",
         ", or so the {n1:folk} {1:says2}", ", and {opinion}", ", as the {n1:folk} {at} can tell you",
         ", though the {n1:folk} {1.does} not know it"),
    RULE("likes", "is glad of it/are glad of it", "likes it/like it", "does not mind/do not mind",
         "speaks of it/speak of it", "thinks it right/think it right", "has seen it/have seen it"),
    RULE("find", "finds/find", "thinks/think", "calls/call"),
    RULE("odd", "strange", "quite right", "natural", "a little odd", "sensible", "charming"),
    RULE("fact.ask", "tell me, ", "please, ", "by the way, ", "I forget: ", "one more thing, ", "say, ", "well, ",
         "the {s1:folk} asks: ", "a {s1:merchant} wants to know: ", "{at} you often hear: ",
         "I was asked {at}: ", "the {p1:folk} ask: ", "now then, ", "a riddle: "),
    RULE("merchant", "merchant/merchants", "sailor/sailors", "pilgrim/pilgrims", "clerk/clerks"),
    RULE("kin.sister", " is the sister of ", " is a good sister to ", " has the same mother as ", " grew up with "),
    RULE("kin.brother", " is the brother of ", " is a good brother to ", " has the same mother as ", " grew up with "),
    RULE("kin.teacher", " is the apprentice of ", " learned a great deal from ", " was taught by ", " still works for "),
    RULE_END
};
