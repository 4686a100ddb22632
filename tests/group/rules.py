"""Ways to group: what src/agent/native/group_functions.c does, once more and with knobs, and what others do.

    KEY(occurrence) -> what has to be equal for two occurrences to be one item

OURS is held to the agent's own fingerprints by the test, so what TRIED says of a knob is true.
"""

import hashlib
import re

import rollbar_grouping

NOISE = set(
    "abort raise gsignal kill tgkill pthread_kill assert_fail assert_fail_base assert_perror_fail "
    "assert malloc calloc realloc free cfree memalign posix_memalign aligned_alloc reallocarray "
    "int_free int_malloc int_realloc malloc_printerr libc_message malloc_consolidate fortify_fail "
    "chk_fail stack_chk_fail stack_chk_fail_local libc_start_call_main start_thread clone clone3 "
    "start restore_rt kernel_rt_sigreturn terminate rethrow throw unexpected".split()
)
NOISE_STARTS = ("__pthread_kill", "__libc_start", "__GI_", "__libc_message", "operator new",
                "operator delete", "towbar_", "tb_capture", "std::", "__cxa_", "__cxxabiv1::",
                "__gnu_cxx::")  # fmt: skip
NOISE_MODULES = ("libc.so", "libc-", "ld-linux", "libpthread", "libtowbar", "libstdc++", "libgcc_s",
                 "libunwind", "libc++", "linux-vdso", "[vdso]")  # fmt: skip
LAMBDA = re.compile(r"\{lambda|<lambda|'lambda|\$_|\{unnamed type")
RECURSIVE, NEAR_STACK = 3, 64 << 10


def is_of_lambda(name):
    """An instance that the C++ library makes for a lambda."""
    mark, start = LAMBDA.search(name), name.find("<")
    if not mark or not 0 <= start < mark.start():
        return False
    return name.startswith(("std::", "__gnu_cxx::")) or start < name.find("::")


def scope_of_lambda(name):
    """The function whose lambda a name tells of, or "": it may be an argument of a template."""
    mark = LAMBDA.search(name)
    if not mark or not name[: mark.start()].endswith("::"):
        return ""
    end = start = mark.start() - 2
    depth = 0
    while start > 0:
        c = name[start - 1]
        if c in ")>}" and name[max(0, start - 2) : start] != "->":
            depth += 1
        elif depth == 0 and c in " ,(<{":
            break
        else:
            depth -= c in "(<{"
        start -= 1
    scope = clean(re.sub(r"\(.*", "", name[start:end]))
    return "" if scope.startswith("std::") else scope


def is_lambda(name):
    mark = LAMBDA.search(name)
    before = name[: mark.start()].replace("->", "") if mark else ""
    return name == "operator()" or (bool(mark) and before.count("<") <= before.count(">"))


def lambda_of(scope):
    return f"{scope}::{{lambda}}" if scope else "{lambda}"


def scope_by_callers(frames):
    """gcc's names do not say whose a lambda is; what the C++ library made for it does."""
    for frame in frames:
        scope = scope_of_lambda(frame["method"])
        if scope or frame["in_app"]:
            return scope
    return ""


def clean(name):
    if is_lambda(name):
        return lambda_of(scope_of_lambda(name))
    if "operator" not in name:
        depth, out = 0, ""
        for c in name:
            depth += (c == "<") - (c == ">")
            if depth == 0 and c != ">":
                out += c
        name = out
    return name.rsplit("::", 1)[-1] if "(anonymous namespace)" in name else name


def native(o):
    return o.data["custom"]["native"]


def newest_first(o):
    return o.data["body"]["trace"]["frames"][::-1]


def class_of(o):
    return o.data["body"]["trace"]["exception"]["class"]


def counted(o, inlined=True, offset=True, lambdas=True):
    """The names that count, the innermost first."""
    names, lambda_in, scope = [], "", ""
    frames = newest_first(o)
    for i, frame in enumerate(frames):
        module, method = frame.get("module", ""), frame["method"]
        is_noise = method.startswith(NOISE_STARTS) or method.lstrip("_") in NOISE
        if module.startswith(NOISE_MODULES) or not frame["in_app"] or is_noise:
            if is_of_lambda(method) and lambdas:
                lambda_in, scope = module, scope_of_lambda(method) or scope
            continue
        if frame.get("inlined") and not inlined:
            continue
        if lambda_in and lambda_in == module:
            names.append(lambda_of(scope))
        lambda_in, scope = "", ""
        if method != "<unknown>":
            name = clean(method)
            names.append(name if name != "{lambda}" else lambda_of(scope_by_callers(frames[i + 1 :])))
        elif module:
            names.append(module + "+" + frame.get("module_offset", "") if offset else module)
    return names


def is_overflow(o):
    facts = native(o)
    if facts.get("access") != "write" or "address" not in facts:
        return False
    return abs(int(facts["address"], 16) - int(facts["registers"]["rsp"], 16)) <= NEAR_STACK


def assertion(o):
    """The expression and the name of the function, without its type."""
    text = native(o).get("assertion", "")
    expression, found, function = text.rpartition(" in ")
    return (expression, re.sub(r"\(.*", "", function).split(" ")[-1].lstrip("*&")) if found else ()


def functions(o, n=2, recursion=True, **knobs):
    names = counted(o, **knobs)
    if "stack smashing detected" in native(o).get("abort_message", ""):
        n = 1
    elif recursion and is_overflow(o):
        cycle = sorted({name for name in names if names.count(name) >= RECURSIVE})
        if cycle:
            last = max(i for i, name in enumerate(names) if name in cycle)
            return (tuple(cycle[:8]), tuple(names[last + 1 : last + 2]))
    return tuple(dict.fromkeys(names))[:n]


def key(o, access=False, **knobs):
    """Of an item with functions of the program."""
    facts = native(o)
    found = functions(o, **knobs) or tuple(frame.get("module") for frame in newest_first(o)[:1])
    more = (facts.get("access"), int(facts.get("address", "0"), 16) < 65536) if access else ()
    return (class_of(o), facts.get("cause"), found, facts.get("format"), assertion(o), more)


def all_frames(o):
    """SHA-1 of the class and of all functions: what most trackers do first."""
    text = "\n".join([class_of(o)] + [frame["method"] for frame in newest_first(o)])
    return hashlib.sha1(text.encode()).hexdigest()


def agent(o):
    return o.data["fingerprint"]


def rollbar(o):
    return rollbar_grouping.default_fingerprint(o.data)


def ours(o):
    return key(o)


TRIED = {
    "one function": lambda o: key(o, n=1),
    "two functions: what is done": ours,
    "three functions": lambda o: key(o, n=3),
    "five functions": lambda o: key(o, n=5),
    "two, without inlined calls": lambda o: key(o, inlined=False),
    "three, without inlined calls (as before)": lambda o: key(o, n=3, inlined=False),
    "two, what the C++ library made for a lambda as any library": lambda o: key(o, lambdas=False),
    "two, a recursion as any function": lambda o: key(o, recursion=False),
    "two, with the kind of access and near NULL or not": lambda o: key(o, access=True),
    "two, a place without a name by its module alone": lambda o: key(o, offset=False),
}
