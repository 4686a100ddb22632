/* entries.c - see walk.h: the tree of a unit, of which functions, inlined calls and calls count. */
#include <dwarf.h>
#include <errno.h>

#include "symbol/index/walk.h"

enum {
    DEPTH_MAX = 200,
    ORIGINS_MAX = 16, /* from an entry to the one that it is an instance of, and so on */
    CODES_MAX = DW_AT_call_tail_call + 1,
};

/* The attributes of an entry that are of use here. */
enum slot {
    NONE,
    LINKAGE_NAME,
    NAME,
    ABSTRACT_ORIGIN,
    SPECIFICATION,
    LOW_PC,
    HIGH_PC,
    RANGES,
    CALL_FILE,
    CALL_LINE,
    CALL_RETURN_PC,
    CALL_PC,
    CALL_ORIGIN,
    TAIL_CALL,
    N_SLOTS
};

struct entry {
    unsigned has; /* one bit for each slot */
    Dwarf_Attribute slots[N_SLOTS];
};

/* Where the walk is. */
struct place {
    uint32_t node; /* 0: in no function */
    uint32_t name; /* of the function, not of what is inlined into it */
    unsigned depth;
};

static int take(Dwarf_Attribute *attribute, void *arg)
{
    static const uint8_t slots[CODES_MAX] = {
        [DW_AT_linkage_name] = LINKAGE_NAME,
        [DW_AT_name] = NAME,
        [DW_AT_abstract_origin] = ABSTRACT_ORIGIN,
        [DW_AT_specification] = SPECIFICATION,
        [DW_AT_low_pc] = LOW_PC,
        [DW_AT_high_pc] = HIGH_PC,
        [DW_AT_ranges] = RANGES,
        [DW_AT_call_file] = CALL_FILE,
        [DW_AT_call_line] = CALL_LINE,
        [DW_AT_call_return_pc] = CALL_RETURN_PC,
        [DW_AT_call_pc] = CALL_PC,
        [DW_AT_call_origin] = CALL_ORIGIN,
        [DW_AT_call_tail_call] = TAIL_CALL,
    };
    struct entry *entry = arg;
    unsigned code = dwarf_whatattr(attribute);
    unsigned slot = code < CODES_MAX ? slots[code] : NONE;
    if (code == DW_AT_MIPS_linkage_name)
        slot = LINKAGE_NAME;
    if (code == DW_AT_GNU_tail_call)
        slot = TAIL_CALL;
    if (slot == NONE)
        return DWARF_CB_OK;
    entry->has |= 1u << slot;
    entry->slots[slot] = *attribute;
    return DWARF_CB_OK;
}

/* Reads the attributes of die. */
static void read_entry(Dwarf_Die *die, struct entry *out)
{
    out->has = 0;
    (void)dwarf_getattrs(die, take, out, 0); /* what could be read will do */
}

/* NULL where the entry has no such attribute. */
static Dwarf_Attribute *slot_of(struct entry *entry, enum slot slot)
{
    return (entry->has & (1u << slot)) ? &entry->slots[slot] : NULL;
}

static uint32_t number_of(struct entry *entry, enum slot slot)
{
    Dwarf_Word number;
    Dwarf_Attribute *attribute = slot_of(entry, slot);
    if (!attribute || dwarf_formudata(attribute, &number) != 0 || number > INT32_MAX)
        return 0;
    return (uint32_t)number;
}

/* ---- names: of the entry, or of what it is an instance of ---- */

static int name_of(struct tb_symbol_walk *walk, struct entry *entry, unsigned depth, uint32_t *out);

/* The name of the entry that attribute refers to. Asked for once. */
static int name_at(struct tb_symbol_walk *walk, Dwarf_Attribute *attribute, unsigned depth,
                   uint32_t *out)
{
    Dwarf_Die die;
    struct entry entry;
    *out = 0;
    if (depth > ORIGINS_MAX || !attribute || !dwarf_formref_die(attribute, &die))
        return 0;
    uint32_t *known = tb_symbol_map_at(&walk->names, (uintptr_t)die.addr);
    if (!known)
        return -ENOMEM;
    if (*known > 0) {
        *out = *known - 1;
        return 0;
    }
    read_entry(&die, &entry);
    int err = name_of(walk, &entry, depth + 1, out);
    if (err)
        return err;
    known = tb_symbol_map_at(&walk->names, (uintptr_t)die.addr);
    if (!known)
        return -ENOMEM;
    *known = *out + 1;
    return 0;
}

static int name_of(struct tb_symbol_walk *walk, struct entry *entry, unsigned depth, uint32_t *out)
{
    static const enum slot origins[] = {ABSTRACT_ORIGIN, SPECIFICATION};
    int err = 0;
    *out = 0;
    if (slot_of(entry, LINKAGE_NAME))
        err = tb_symbol_walk_text(walk, dwarf_formstring(slot_of(entry, LINKAGE_NAME)), out);
    for (size_t i = 0; err == 0 && *out == 0 && i < sizeof(origins) / sizeof(origins[0]); i++)
        err = name_at(walk, slot_of(entry, origins[i]), depth, out);
    if (err == 0 && *out == 0 && slot_of(entry, NAME))
        err = tb_symbol_walk_text(walk, dwarf_formstring(slot_of(entry, NAME)), out);
    return err;
}

/* ---- code ---- */

static int add_range(struct tb_symbol_walk *walk, Dwarf_Addr lo, Dwarf_Addr hi, size_t *n_added)
{
    struct tb_symbol_range range = {.node = (uint32_t)walk->tables->nodes.n};
    if (!tb_symbol_tables_in_code(walk->tables, lo, hi, &range)) {
        if (tb_symbol_tables_dropped(walk->tables, lo) && hi > walk->dropped_end)
            walk->dropped_end = hi;
        return 0;
    }
    struct tb_symbol_range *added = tb_symbol_list_add(&walk->tables->ranges, sizeof(range));
    if (!added)
        return -ENOMEM;
    *added = range;
    ++*n_added;
    return 0;
}

/* Adds the code of the node that comes next. */
static int add_ranges(struct tb_symbol_walk *walk, Dwarf_Die *die, struct entry *entry,
                      size_t *n_added)
{
    Dwarf_Addr base;
    Dwarf_Addr lo;
    Dwarf_Addr hi;
    ptrdiff_t at = 0;
    int err = 0;
    *n_added = 0;
    if (slot_of(entry, LOW_PC) && slot_of(entry, HIGH_PC)) {
        Dwarf_Word len;
        if (dwarf_formaddr(slot_of(entry, LOW_PC), &lo) != 0)
            return 0;
        if (dwarf_formudata(slot_of(entry, HIGH_PC), &len) == 0)
            hi = lo + len;
        else if (dwarf_formaddr(slot_of(entry, HIGH_PC), &hi) != 0)
            return 0;
        return add_range(walk, lo, hi, n_added);
    }
    while (slot_of(entry, RANGES) && err == 0 && (at = dwarf_ranges(die, at, &base, &lo, &hi)) > 0)
        err = add_range(walk, lo, hi, n_added);
    return err;
}

static int add_node(struct tb_symbol_walk *walk, struct entry *entry, uint32_t parent,
                    uint32_t *name)
{
    struct tb_symbol_node node = {.parent = parent};
    int err = name_of(walk, entry, 0, &node.name);
    if (err)
        return err;
    if (parent > 0) {
        node.call_line = number_of(entry, CALL_LINE);
        if (slot_of(entry, CALL_FILE) &&
            (err = tb_symbol_walk_file(walk, number_of(entry, CALL_FILE), &node.call_file)))
            return err;
    }
    struct tb_symbol_node *added = tb_symbol_list_add(&walk->tables->nodes, sizeof(node));
    if (!added)
        return -ENOMEM;
    *added = node;
    *name = node.name;
    return 0;
}

/* ---- calls ---- */

static int add_tail(struct tb_symbol_walk *walk, uint32_t from, uint32_t to, uint32_t at)
{
    struct tb_symbol_tail *tail = tb_symbol_list_add(&walk->tables->tails, sizeof(*tail));
    if (!tail)
        return -ENOMEM;
    *tail = (struct tb_symbol_tail){.from = from, .to = to, .at = at};
    return 0;
}

/* A call: where it comes back to, and what it calls. GNU's form of it has the same under other
 * attributes. A jump does not come back; its instruction is the one before. */
static int add_call(struct tb_symbol_walk *walk, Dwarf_Die *die, const struct place *in)
{
    struct entry entry;
    struct tb_symbol_range at;
    Dwarf_Addr back = 0;
    uint32_t name;
    read_entry(die, &entry);
    bool is_tail = slot_of(&entry, TAIL_CALL);
    bool is_gnu = dwarf_tag(die) == DW_TAG_GNU_call_site;
    if (slot_of(&entry, is_gnu ? LOW_PC : CALL_RETURN_PC))
        (void)dwarf_formaddr(slot_of(&entry, is_gnu ? LOW_PC : CALL_RETURN_PC), &back);
    else if (slot_of(&entry, CALL_PC) && is_tail &&
             dwarf_formaddr(slot_of(&entry, CALL_PC), &back) == 0)
        back++;
    if (back == 0 || !tb_symbol_tables_in_code(walk->tables, back - 1, back, &at))
        return 0;
    int err = name_at(walk, slot_of(&entry, is_gnu ? ABSTRACT_ORIGIN : CALL_ORIGIN), 0, &name);
    if (err)
        return err;
    if (is_tail)
        return in->name > 0 ? add_tail(walk, in->name, name, at.hi) : 0;
    if (name == 0)
        return 0;
    struct tb_symbol_call *call = tb_symbol_list_add(&walk->tables->calls, sizeof(*call));
    if (!call)
        return -ENOMEM;
    *call = (struct tb_symbol_call){.at = at.hi, .name = name};
    return 0;
}

/* ---- the tree ---- */

static int add_children(struct tb_symbol_walk *walk, Dwarf_Die *parent, const struct place *in);

static int add_function(struct tb_symbol_walk *walk, Dwarf_Die *die, const struct place *in,
                        bool is_inlined)
{
    struct entry entry;
    struct place inside = {.name = in->name, .depth = in->depth + 1};
    size_t n_added;
    uint32_t name;
    read_entry(die, &entry);
    int err = add_ranges(walk, die, &entry, &n_added);
    if (err || n_added == 0)
        return err;
    inside.node = (uint32_t)walk->tables->nodes.n;
    if ((err = add_node(walk, &entry, is_inlined ? in->node : 0, &name)))
        return err;
    if (!is_inlined)
        inside.name = name;
    return add_children(walk, die, &inside);
}

static bool may_hold_functions(int tag)
{
    return tag == DW_TAG_lexical_block || tag == DW_TAG_namespace || tag == DW_TAG_class_type ||
           tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_module ||
           tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

static int add_die(struct tb_symbol_walk *walk, Dwarf_Die *die, const struct place *in)
{
    int tag = dwarf_tag(die);
    if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine)
        return add_function(walk, die, in, tag == DW_TAG_inlined_subroutine);
    if (tag == DW_TAG_call_site || tag == DW_TAG_GNU_call_site)
        return add_call(walk, die, in);
    if (!may_hold_functions(tag))
        return 0;
    struct place inside = *in;
    inside.depth++;
    return add_children(walk, die, &inside);
}

/* A reference to a sibling may lead anywhere. Each entry is visited once, as none is that does not
 * come after all that were. */
static int add_children(struct tb_symbol_walk *walk, Dwarf_Die *parent, const struct place *in)
{
    Dwarf_Die die;
    int missing = in->depth > DEPTH_MAX ? -1 : dwarf_child(parent, &die);
    while (missing == 0) {
        if ((const char *)die.addr <= walk->last)
            break;
        walk->last = die.addr;
        int err = add_die(walk, &die, in);
        if (err)
            return err;
        missing = dwarf_siblingof(&die, &die);
    }
    walk->partial = walk->partial || missing <= 0;
    return 0;
}

int tb_symbol_walk_entries(struct tb_symbol_walk *walk, Dwarf_Die *unit)
{
    const struct place top = {0};
    walk->last = unit->addr;
    return add_children(walk, unit, &top);
}
