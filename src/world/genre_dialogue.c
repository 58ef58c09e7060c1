/* world/genre_dialogue.c — two people talk: about others, and about things that go from hand to hand. */
#include "world/grammar.h"

const qn_rule qn_rules_dialogue[] = {
    RULE("dialogue", "5*{about.open}{!again}{!tellall}{about.two}{about.three}\n{D.first}: {about.end}",
         "3*{whose.open}{!again}{!tellall}{about.two}{about.three}\n{D.first}: {whose.end}"),
    RULE("about.two", "\n{D.first}: {about.turn}\n{E.first}: {about.yes}{!next}{!tellall}"),
    RULE("about.three", "\n{D.first}: ^and {C}?\n{E.first}: {about.yes3}{!next}{!tellall}",
         "\n{D.first}: {turn3} ^what about {C}?\n{E.first}: {about.yes3}{!next}{!tellall}"),
    RULE("turn3", "^so much for {B.first}.", "^good.", "^not bad.", "^I thought so.", "^that is new."),
    RULE("about.yes3", "^yes.", "^well.", "^oh.", "^everybody knows {C.him}.", "^you ask too much.",
         "^the {n1:folk} {at} {1:knows} {C.him}."),
    RULE("about.open", "2*{D.first}: ^do you know {A}?\n{E.first}: {yes}",
         "{D.first}: ^who was that {at}?\n{E.first}: ^that was {A}.",
         "{D.first}: ^whom shall we invite to the {party}?\n{E.first}: {A}, I think.",
         "{D.first}: ^I have a letter for {A}, but I do not know {A.him}.\n{E.first}: ^then listen.",
         "{D.first}: ^have you heard what they say {at}?\n{E.first}: ^only what they say of {A}.",
         "{D.first}: ^you look {mood}. ^what is it?\n{E.first}: ^I am thinking of {A}.",
         "{D.first}: ^the {n1:folk} {at} {1:asks} me about {A}.\n{E.first}: ^the {n2:folk} too.",
         "{D.first}: ^tell me about {A}, please.\n{E.first}: ^I will, but not a word to the {n1:folk}."),
    RULE("asks", "asks/ask", "often asks/often ask", "keeps asking/keep asking"),
    RULE("yes", "^of course.", "^very well.", "^a little.", "^who does not?",
         "2*^we met {at} {ago}, and the {n1:folk} {1.was} there.", "^I do, and the {n1:folk} {at} {1.does} too."),
    RULE("ago", "last year", "once", "before the {fair}", "by chance"),
    RULE("about.turn", "^and {B}?", "^and what about {B}?", "^I see. ^and {B}?",
         "^that is what the {n1:folk} {at} {1:says}. ^and {B}?", "^then the {n1:folk} {at} {1.was} right. ^and {B}?",
         "^was {B} {at} too?"),
    RULE("about.yes", "^yes.", "^wait.", "^well.", "2*^oh, another story.", "^I know {B.him} better.",
         "^the {n1:folk} {at} {1:knows} {B.him}."),
    RULE("about.end", "^thank you. ^my {n1:kin} met {A.first} and {B.first} {at} {ago}.",
         "^I will tell the {n1:folk} {at} about {A.first}.",
         "^let us go to {place} before the {n1:folk} {1.is} {mood}.",
         "^and the {n1:folk} {at} never told me of {A.first} or {B.first}!",
         "^so that is {A.first}, and that is {B.first}, and the {n1:folk} {at} {1.was} right about them."),
    RULE("whose.open", "{D.first}: ^I found {a}{$1=one} {at}.\n{E.first}: ^ask {A} about the {$1}.",
         "{D.first}: ^whose is this {$1=one}?\n{E.first}: ^it might belong to {A}.",
         "{D.first}: ^look, somebody left {a}{$1=one} {at}!\n{E.first}: ^perhaps {A} did.",
         "{D.first}: ^who would like {a}{$1=one}?\n{E.first}: ^give the {$1} to {A}."),
    RULE("whose.end", "^then the {$1} is not for {A.first}, and I will show it to {B.first}.",
         "^good. ^so {A.first} shall have the {$1}, and {B.first} shall have {a}{adj} {s2:thing}.",
         "^I will keep the {$1} until {A.first} or {B.first} asks for it.",
         "^and if the {$1} is mine after all, {E.first}?"),

    /* About nobody in particular. */
    RULE("chat", "2*{chat.lost}", "4*{chat.has}", "2*{chat.echo}", "2*{chat.way}", "{chat.mood}", "2*{chat.price}",
         "{chat.news}"),
    RULE("chat.echo",
         "{A.first}: ^have you heard, {B.first}? ^{$1=whisper.words}.\n{B.first}: ^what was that?\n{A.first}: ^I said "
         "that {$1}.\n{B.first}: ^who told you that {$1}?\n{A.first}: {C} told me, and {C.he} is never wrong.",
         "{A.first}: ^say it after me, {B.first}: {$1=echo.words}.\n{B.first}: ^{$1}.\n{A.first}: ^and now: "
         "{$2=echo.words}.\n{B.first}: ^{$2}. ^may I go now?\n{A.first}: ^not before you have said both.\n"
         "{B.first}: ^{$1}, and {$2}."),
    RULE("chat.lost",
         "{A.first}: ^have you seen my {$1=lost}, {B.first}?\n{B.first}: ^your {$1}? ^no, but ask the {n1:folk} "
         "{$2=at}.\n{A.first}: ^I was {$2} already, and the {n2:folk} there {2.has} not seen {$1.them} either.\n"
         "{B.first}: {chat.lost.end}",
         "{A.first}: ^what are you looking for {$2=at}, {B.first}?\n{B.first}: ^for my {$1=lost}. ^the {n1:folk} who "
         "{1:knows} me {1.does} not believe that {$1.it} {$1.is} gone.\n{A.first}: ^I saw the {$1} {$3=at}.\n"
         "{B.first}: ^{$3}? ^then I was wrong to look {$2}."),
    RULE("chat.lost.end", "^then look {$3=at}, {A.first}.\n{A.first}: ^{$3}? ^I have never been {$3} in my life!",
         "^the {$1} will come back, {A.first}.\n{A.first}: ^you do not know my {$1}!",
         "^then take mine, {A.first}.\n{A.first}: ^thank you, but yours {$1.is} not like my {$1}."),
    RULE("chat.has",
         "{A.first}: ^{C} told me that you have {a}{$1=one}.\n{B.first}: ^{C.first} is wrong. ^I have {a}{$2=one}, "
         "and {D} has the {$1}.\n{A.first}: ^so {D.first} has the {$1}, and you have the {$2}?\n"
         "{B.first}: {chat.has.end}",
         "{A.first}: ^what did you get for the {party}?\n{B.first}: ^{a}{$2=one}. ^and you?\n{A.first}: ^{a}{$1=one}. "
         "{C} got {a}{$3=one}, and was {mood}.\n{B.first}: ^what would {C.first} say to my {$2}?\n{A.first}: ^that "
         "the {$3} is finer, and my {$1} too."),
    RULE("chat.has.end", "^so it is. ^and what has {C.first}?\n{A.first}: ^nothing but {a}{adj} {s3:thing}.",
         "^yes, and nobody has {a}{$1} and {a}{$2}.\n{A.first}: ^but {C.first} wants both.",
         "^yes, but I would rather have the {$1}.\n{A.first}: ^then ask {D.first}, not me."),
    RULE("chat.way",
         "{A.first}: ^where are you going with the {$1=lost}, {B.first}?\n{B.first}: ^to {$2=place}. ^the {n2:folk} "
         "there {2:wants} {$1.them}.\n{A.first}: ^is {$2} far from here?\n{B.first}: ^farther than {place}, "
         "{A.first}.\n{A.first}: {chat.way.end}",
         "{A.first}: ^how do I get to {$2=place}, {B.first}?\n{B.first}: ^first to {$3=place}, then ask the {n1:folk} "
         "who {1:feels} {mood}.\n{A.first}: ^so {$3} comes before {$2}?\n{B.first}: ^it does, whatever the {n2:folk} "
         "{at} {2:says}.\n{A.first}: {chat.way.end}"),
    RULE("chat.way.end", "^then take some {food} with you to {$2}.", "^greet the {n3:folk} at {$2} from me.",
         "^I will stay {at} and wait until you are back from {$2}."),
    RULE("chat.mood",
         "{A.first}: ^good {daypart}, {B.first}. ^you look {$1=mood}.\n{B.first}: ^{$1}? ^no, only {$2=mood}, for I "
         "have been {at} since {daypart}.\n{A.first}: ^then eat some {$3=food}. ^nobody is {$2} after {$3}.\n"
         "{B.first}: ^the {n1:folk} {at} {1.is}, and they say that {$3} {at} costs nothing.",
         "{A.first}: ^the {n1:folk} {at} {1.is} so {$1=mood}. ^why?\n{B.first}: ^because the {n2:building} there "
         "{2.was} {$2=changed}.\n{A.first}: ^{$2}? ^then I am {$1} too."),
    RULE("chat.price",
         "{A.first}: ^{count} pence for {a}{$1=one}? ^that is too much.\n{B.first}: ^the {$1} is from {C}, and the "
         "{n1:folk} who {1:knows} {C.him} {1.does} not ask for the price.\n{A.first}: ^then I would rather have "
         "{a}{$2=one}.\n{B.first}: ^the {$2} costs even more than the {$1}.",
         "{A.first}: ^my {n1:kin} {1:wants} {count} {$1=trip.things}.\n{B.first}: ^then go to {$2=place} for the "
         "{$1}, not to {place}.\n{A.first}: ^I was at {$2}, and the {n2:folk} there {2.has} no {$1}.\n{B.first}: ^no "
         "{$1}? ^then take some {food} home."),
    RULE("chat.news",
         "{A.first}: ^did the {n1:folk} tell you that {weather} {$1=at}?\n{B.first}: ^I do not believe everything "
         "that the {n2:folk} {2:says}. ^I was {$1} {ago}.\n{A.first}: ^and was nobody {$1}?\n{B.first}: ^only the "
         "{n3:folk} with the {adj} {n4:thing}.",
         "{A.first}: ^is {$1=place} nearer than {$2=place}?\n{B.first}: ^no, {$2} is nearer, and the {n1:folk} there "
         "{1.is} not so {$3=mood}.\n{A.first}: ^I do not mind if they are {$3}, as long as {$1} is not closed."),
    RULE_END
};
