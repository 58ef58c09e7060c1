/* world/lexicon.c — tables of words: what the relations may say. A value is one word, or one of a few words before one
 * of a few others (silver bell, copper key …), so that a small vocabulary names many things. */
#include "world/lexicon.h"

const char *const qn_name_head[24] = {
    "Ba", "Be", "Da", "De", "Fe", "Ga", "Ha", "Jo", "Ka", "Ke", "La", "Lo",
    "Ma", "Mi", "Na", "Ne", "Pe", "Ra", "Ro", "Sa", "Ta", "Te", "Vi", "Wi",
};
const char *const qn_name_middle[8] = {"li", "ra", "mo", "ne", "ta", "vi", "do", "ri"};
const char *const qn_name_she[10] = {"lla", "nna", "ria", "sha", "tia", "via", "mira", "ndra", "lene", "ssy"};
const char *const qn_name_he[10] = {"rin", "den", "lor", "mas", "nek", "ric", "ston", "vin", "bert", "gan"};
const char *const qn_name_surname[16] = {
    "rrow", "lling", "mble", "nder", "pper", "rkin", "sket", "tter",
    "vell", "ndle", "ckett", "rden", "lmer", "shby", "ldon", "xley",
};

static const char *const town_head[16] = {
    "Ald", "Bram", "Cold", "Dun", "Elm", "Fern", "Gold", "Hol",
    "Kirk", "Lang", "Mar", "Nor", "Oak", "Pen", "Red", "Stan",
};
static const char *const town_tail[8] = {"ford", "wick", "mere", "ton", "dale", "bridge", "field", "haven"};
static const char *const river[8] = {"Ambel", "Brill", "Corrow", "Ewen", "Leck", "Morrin", "Sorrel", "Tamble"};

/* A trade and its tool. The first 32 are the small world's, the first 64 the medium one's. */
static const char *const trade[QN_WORLD_VALUES_MAX][2] = {
    {"baker", "oven"}, {"miller", "millstone"}, {"smith", "anvil"}, {"weaver", "loom"},
    {"potter", "wheel"}, {"cooper", "mallet"}, {"tailor", "needle"}, {"cobbler", "awl"},
    {"carpenter", "saw"}, {"mason", "trowel"}, {"fisher", "net"}, {"shepherd", "crook"},
    {"gardener", "spade"}, {"beekeeper", "hive"}, {"sailor", "anchor"}, {"brewer", "kettle"},
    {"butcher", "cleaver"}, {"painter", "brush"}, {"tanner", "scraper"}, {"thatcher", "ladder"},
    {"scribe", "quill"}, {"healer", "mortar"}, {"carter", "cart"}, {"hunter", "bow"},
    {"dyer", "vat"}, {"saddler", "strap"}, {"chandler", "wick"}, {"locksmith", "file"},
    {"printer", "press"}, {"barber", "razor"}, {"jeweller", "lens"}, {"forester", "axe"},
    {"glazier", "pane"}, {"ploughwright", "plough"}, {"fletcher", "feather"}, {"wheelwright", "spoke"},
    {"bookbinder", "thread"}, {"clockmaker", "spring"}, {"ropemaker", "hemp"}, {"basketmaker", "willow"},
    {"cook", "ladle"}, {"milkseller", "churn"}, {"drover", "whip"}, {"falconer", "glove"},
    {"farrier", "hoof knife"}, {"furrier", "pelt"}, {"goldsmith", "crucible"}, {"harper", "tuning key"},
    {"joiner", "plane"}, {"lacemaker", "bobbin"}, {"herbalist", "basin"}, {"milliner", "ribbon"},
    {"minstrel", "song book"}, {"nurse", "bandage"}, {"pedlar", "pack"}, {"piper", "reed"},
    {"quarrier", "pickaxe"}, {"roofer", "tile"}, {"sawyer", "sawpit"}, {"spinner", "spindle"},
    {"tinker", "solder"}, {"toymaker", "glue"}, {"vintner", "cask"}, {"whittler", "penknife"},
    {"actor", "mask"}, {"apothecary", "scales"}, {"archer", "quiver"}, {"armourer", "helmet"},
    {"bargee", "pole"}, {"bellfounder", "mould"}, {"boatbuilder", "adze"}, {"brickmaker", "kiln"},
    {"broommaker", "birch"}, {"buttonmaker", "drill"}, {"cartographer", "compass"}, {"charcoal burner", "rake"},
    {"cheesemaker", "rennet"}, {"coachbuilder", "axle"}, {"confectioner", "sugar loaf"}, {"coppersmith", "rivet"},
    {"courier", "satchel"}, {"cutler", "whetstone"}, {"dancer", "slipper"}, {"diver", "rope"},
    {"embroiderer", "hoop"}, {"engraver", "burin"}, {"fiddler", "rosin"}, {"fowler", "snare"},
    {"fruiterer", "crate"}, {"gilder", "gold leaf"}, {"glovemaker", "shears"}, {"grocer", "scoop"},
    {"gunsmith", "barrel"}, {"hatter", "felt"}, {"haymaker", "pitchfork"}, {"hedger", "billhook"},
    {"herald", "trumpet"}, {"innkeeper", "tap"}, {"juggler", "ball"}, {"knitter", "yarn"},
    {"lamplighter", "torch"}, {"librarian", "catalogue"}, {"limeburner", "shovel"}, {"luthier", "gouge"},
    {"messenger", "horn"}, {"miner", "lantern"}, {"minter", "die"}, {"nailmaker", "bellows"},
    {"orchardist", "graft"}, {"papermaker", "sieve"}, {"perfumer", "flask"}, {"pewterer", "ingot"},
    {"plasterer", "float"}, {"porter", "barrow"}, {"quilter", "patch"}, {"ratcatcher", "trap"},
    {"sailmaker", "canvas"}, {"salter", "salt pan"}, {"sculptor", "chisel"}, {"shipwright", "caulk"},
    {"soapmaker", "lye"}, {"stonecutter", "wedge"}, {"sweep", "broom"}, {"thresher", "flail"},
    {"turner", "lathe"}, {"upholsterer", "tack"}, {"guard", "halberd"}, {"woodcarver", "knife"},
};

/* What lives with people and what it eats. */
enum { OATS, SEEDS, FISH, MILK, HAY, CRUMBS, APPLES, BONES };
static const char *const food[8] = {"oats", "seeds", "fish", "milk", "hay", "crumbs", "apples", "bones"};
static const struct { const char *word; int food; } animal[64] = {
    {"goose", OATS}, {"cat", MILK}, {"dog", BONES}, {"goat", HAY}, {"donkey", HAY}, {"pony", OATS},
    {"hen", SEEDS}, {"duck", CRUMBS}, {"rabbit", HAY}, {"pig", APPLES}, {"lamb", MILK}, {"parrot", SEEDS},
    {"raven", CRUMBS}, {"owl", BONES}, {"otter", FISH}, {"fox", BONES}, {"hedgehog", APPLES}, {"tortoise", APPLES},
    {"swan", OATS}, {"heron", FISH}, {"mouse", CRUMBS}, {"squirrel", SEEDS}, {"badger", APPLES}, {"kitten", MILK},
    {"hound", BONES}, {"mule", OATS}, {"calf", MILK}, {"pigeon", SEEDS}, {"frog", CRUMBS}, {"pelican", FISH},
    {"seal", FISH}, {"deer", OATS},
    {"cow", HAY}, {"sheep", HAY}, {"ferret", FISH}, {"magpie", CRUMBS}, {"canary", SEEDS}, {"finch", SEEDS},
    {"crane", FISH}, {"stork", FISH}, {"falcon", BONES}, {"hawk", BONES}, {"turkey", OATS}, {"peacock", SEEDS},
    {"quail", SEEDS}, {"dove", SEEDS}, {"hamster", SEEDS}, {"weasel", FISH}, {"marten", APPLES}, {"lizard", CRUMBS},
    {"newt", CRUMBS}, {"toad", CRUMBS}, {"carp", CRUMBS}, {"bear", APPLES}, {"wolf", BONES}, {"lynx", BONES},
    {"ram", HAY}, {"mare", OATS}, {"colt", MILK}, {"ox", HAY}, {"boar", APPLES}, {"gull", FISH},
    {"puppy", MILK}, {"piglet", MILK},
};

/* A feast: the first word belongs to a season, four words each. */
static const char *const season[4] = {"spring", "summer", "autumn", "winter"};
static const char *const feast_head[16] = {
    "Blossom", "Hay", "Apple", "Candle", "Lamb", "Rose", "Barley", "Snow",
    "Willow", "Bee", "Nut", "Star", "Egg", "Berry", "Lantern", "Ice",
};
static const char *const feast_tail[8] = {"Day", "Night", "Fair", "Feast", "Morning", "Eve", "Market", "Dance"};

static const char *const material[8] = {"silver", "copper", "glass", "wooden", "golden", "ivory", "stone", "iron"};
static const char *const thing[16] = {
    "bell", "key", "cup", "ring", "comb", "box", "spoon", "bowl",
    "lamp", "chain", "coin", "mirror", "clasp", "plate", "whistle", "star",
};
static const char *const wood[8] = {"birch", "cherry", "maple", "walnut", "pear", "cedar", "ash", "willow"};
static const char *const instrument[16] = {
    "flute", "fiddle", "harp", "drum", "lute", "pipe", "whistle", "viol",
    "zither", "horn", "oboe", "bagpipe", "dulcimer", "mandolin", "rattle", "xylophone",
};

int qn_lexicon_value(qn_world_size size, qn_relation r, int value, qn_buf *out) {
    const int v = value;
    switch (r) {
    case QN_REL_HOME: return qn_buf_printf(out, "%s%s", town_head[v % 16], town_tail[(v / 16 + v) % 8]);
    case QN_REL_TRADE: return qn_buf_puts(out, trade[v][0]);
    case QN_REL_ANIMAL:
        if (size == QN_WORLD_LARGE)
            return qn_buf_printf(out, "%s %s", v < 64 ? "white" : "black", animal[v % 64].word);
        return qn_buf_puts(out, animal[v].word);
    /* Small: 8 × 4, medium 16 × 4, large 16 × 8; and likewise below. */
    case QN_REL_FEAST:
        if (size == QN_WORLD_SMALL)
            return qn_buf_printf(out, "%s %s", feast_head[v % 8], feast_tail[v / 8]);
        return qn_buf_printf(out, "%s %s", feast_head[v % 16], feast_tail[v / 16]);
    case QN_REL_TREASURE: return qn_buf_printf(out, "%s %s", material[v % 8], thing[v / 8]);
    case QN_REL_INSTRUMENT: return qn_buf_printf(out, "%s %s", wood[v % 8], instrument[v / 8]);
    default: return 0;
    }
}

int qn_lexicon_property(qn_world_size size, qn_relation r, int value) {
    switch (r) {
    case QN_REL_HOME: return (value * 5 + value / 8) % 8;
    case QN_REL_TRADE: return value;
    case QN_REL_ANIMAL: return animal[value % 64].food;
    case QN_REL_FEAST: return value % (size == QN_WORLD_SMALL ? 8 : 16) % 4;
    default: return -1;
    }
}

int qn_lexicon_properties(qn_world_size size, qn_relation r) {
    static const int values[] = {32, 64, 128};
    switch (r) {
    case QN_REL_HOME: return 8;
    case QN_REL_TRADE: return values[size];
    case QN_REL_ANIMAL: return 8;
    case QN_REL_FEAST: return 4;
    default: return 0;
    }
}

const char *qn_world_property_word(qn_relation r, int property) {
    switch (r) {
    case QN_REL_HOME: return river[property];
    case QN_REL_TRADE: return trade[property][1];
    case QN_REL_ANIMAL: return food[property];
    case QN_REL_FEAST: return season[property];
    default: return "";
    }
}

const char *qn_relation_property(qn_relation r) {
    static const char *const name[QN_RELATIONS] = {"river", "tool", "food", "season"};
    return name[r];
}

const char *qn_relation_name(qn_relation r) {
    static const char *const name[QN_RELATIONS] = {"home", "trade", "animal", "feast", "treasure", "instrument"};
    return name[r];
}

const char *qn_band_name(qn_band b) {
    static const char *const name[QN_BANDS] = {"head", "torso", "tail"};
    return name[b];
}
