/* world/genre_recipe.c — recipes: what is taken at the beginning is used later on. */
#include "world/grammar.h"

const qn_rule qn_rules_recipe[] = {
    RULE("recipe", "^{$1=dish}, as {A} makes it\n\n{recipe.take}{recipe.do}{recipe.do2}{recipe.wait}{recipe.end}"),
    RULE("dish", "{thick} {base} soup", "{thick} {base} pie", "{thick} {base} stew", "{thick} {base} bread",
         "{thick} {base} cake"),
    RULE("thick", "thick", "sweet", "plain", "golden", "hot", "cold", "quick", "rich"),
    RULE("base", "harvest", "wedding", "market", "harbour", "garden", "winter", "holiday", "mountain", "village",
         "river"),
    RULE("recipe.take", "^take {count} {$2=part}, {count} spoons of {$3=powder} and a cup of {$4=wet}.",
         "^you need {count} {$2=part}, some {$3=powder} and no more than {count} cups of {$4=wet}.",
         "^for {count} people, take {count} {$2=part}, a little {$3=powder} and a cup of {$4=wet}."),
    RULE("part", "onions", "apples", "carrots", "eggs", "beans", "mushrooms", "pears", "nuts", "turnips", "plums"),
    RULE("powder", "flour", "salt", "sugar", "butter", "pepper", "barley"),
    RULE("wet", "milk", "water", "cream", "wine", "honey", "oil"),
    RULE("recipe.do", " ^wash and cut the {$2}, and put them into {a}{adj} pot with the {$4}.",
         " ^stir the {$3} into the {$4} until it is smooth, and then add the {$2}.",
         " ^first heat the {$4}, then add the {$3} spoon by spoon, and the {$2} last.",
         " ^do not cut the {$2}; put them whole into the {$4} and add the {$3}."),
    RULE("recipe.do2", " ^cook it slowly for {count} minutes, and never let the {$4} boil.",
         " ^stir the {$2} well, cover them, and leave them {at} until {daypart}.",
         " ^if it is too thick, add more {$4}; if it is too thin, add more {$3}."),
    RULE("recipe.wait", " ^{A} says that {A.he} never makes it without the {$3} and the {$2}.",
         " ^while the {$2} cook, the {n1:folk} {at} {1.has} to wait.", " ^it is done when the {$2} smell like {food}.",
         " ^some leave out the {$4} or the {$3}, but {A} does not."),
    RULE("recipe.end", " ^serve the {$1} with {food} and {food}.", " ^the {$1} is best on a {dayword} {daypart}.",
         " ^the {$1} keeps for {count} days, unless the {n2:folk} {2:finds} it.",
         " ^the {n2:folk} who {2:tastes} the {$1} {2:wants} more."),
    RULE("finds", "finds/find", "smells/smell", "sees/see"),
    RULE("tastes", "tastes/taste", "smells/smell", "tries/try"),
    RULE_END
};
