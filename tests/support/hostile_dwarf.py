"""Debug data as no compiler writes them, as assembler text for gcc: what stands in them is exact,
and the program that they are linked into runs as if they were not there.

    text = unit(function(name="x"), line_of("/etc/shadow"))

Each unit says that one function covers the whole program, so that every frame of it asks for what
the unit says.
"""

# Abbreviations, by number: tag, has children, attributes with their forms.
ABBREVIATIONS = {
    1: ("compile_unit", 1, [("name", "string"), ("comp_dir", "string"), ("stmt_list", "sec_offset"),
                            ("low_pc", "addr"), ("high_pc", "addr")]),
    2: ("subprogram", 1, [("name", "string"), ("low_pc", "addr"), ("high_pc", "addr")]),
    3: ("subprogram", 0, [("abstract_origin", "ref_addr"), ("low_pc", "addr"), ("high_pc", "addr")]),
    4: ("inlined_subroutine", 1, [("abstract_origin", "ref_addr"), ("low_pc", "addr"),
                                  ("high_pc", "addr"), ("call_file", "udata"), ("call_line", "udata")]),
    5: ("subprogram", 0, [("name", "string"), ("inline", "data1")]),
    6: ("subprogram", 0, [("abstract_origin", "ref_addr"), ("inline", "data1")]),
    7: ("imported_unit", 0, [("import", "ref_addr")]),
    8: ("lexical_block", 1, [("low_pc", "addr"), ("high_pc", "addr")]),
    9: ("subprogram", 0, [("specification", "ref_addr"), ("low_pc", "addr"), ("high_pc", "addr")]),
    10: ("subprogram", 0, [("linkage_name", "strp"), ("low_pc", "addr"), ("high_pc", "addr")]),
    11: ("subprogram", 0, [("name", "gnu_strp_alt"), ("low_pc", "addr"), ("high_pc", "addr")]),
    12: ("namespace", 1, [("name", "string")]),
    13: ("subprogram", 0, [("low_pc", "addr"), ("ranges", "sec_offset"), ("name", "string")]),
}  # fmt: skip
TAGS = {"compile_unit": 0x11, "subprogram": 0x2E, "inlined_subroutine": 0x1D, "imported_unit": 0x3D,
        "lexical_block": 0x0B, "namespace": 0x39}  # fmt: skip
ATTRIBUTES = {"name": 0x03, "comp_dir": 0x1B, "stmt_list": 0x10, "low_pc": 0x11, "high_pc": 0x12,
              "abstract_origin": 0x31, "specification": 0x47, "call_file": 0x58, "call_line": 0x59,
              "inline": 0x20, "import": 0x18, "linkage_name": 0x6E, "ranges": 0x55}  # fmt: skip
FORMS = {"string": 0x08, "sec_offset": 0x17, "addr": 0x01, "ref_addr": 0x10, "udata": 0x0F,
         "data1": 0x0B, "strp": 0x0E, "gnu_strp_alt": 0x1F21}  # fmt: skip
LO, HI = "_init", "etext"  # of no program at 0, which stands for nothing


def text(value):
    """A string with its end, byte by byte."""
    data = value if isinstance(value, bytes) else value.encode()
    rows = [data[at : at + 400] for at in range(0, len(data), 400)]
    return "".join(f" .byte {','.join(map(str, part))}\n" for part in rows) + " .byte 0\n"


def uleb(value):
    return f" .uleb128 {value}\n"


def addresses(low=LO, high=HI):
    return f" .quad {low}\n .quad {high}\n"


def abbreviations():
    out = ' .section .debug_abbrev,"",@progbits\nabbrevs:\n'
    for number, (tag, children, attributes) in ABBREVIATIONS.items():
        out += uleb(number) + uleb(TAGS[tag]) + f" .byte {children}\n"
        for name, form in attributes:
            out += uleb(ATTRIBUTES[name]) + uleb(FORMS[form])
        out += " .byte 0,0\n"
    return out + " .byte 0\n"


def function(name="victim", children="", low=LO, high=HI):
    return uleb(2) + text(name) + addresses(low, high) + children + " .byte 0\n"


def line_program(rows, folders=(), files=(), version=4):
    """rows: text of the program; its files are numbered from 1."""
    header = "".join(text(folder) for folder in folders) + " .byte 0\n"
    for name, folder in files:
        header += text(name) + uleb(folder) + uleb(0) + uleb(0)
    header += " .byte 0\n"
    return (
        ' .section .debug_line,"",@progbits\nlines:\n .long lines_end-lines_start\nlines_start:\n'
        f" .short {version}\n .long header_end-header_start\nheader_start:\n"
        " .byte 1,1,1,-5,14,13\n .byte 0,1,1,1,1,0,0,0,1,0,0,1\n"
        f"{header}header_end:\n{rows}lines_end:\n"
    )


def row(line, file=1, low=LO, high=HI):
    """One row for the whole program."""
    return (
        f" .byte 0,9,2\n .quad {low}\n .byte 4\n{uleb(file)} .byte 3\n .sleb128 {line - 1}\n .byte 1\n"
        f" .byte 0,9,2\n .quad {high}\n .byte 0,1,1\n"
    )


def line_of(path, line=1, folder=""):
    """All of the program is at that line of that file."""
    folders = (folder,) if folder else ()
    return line_program(row(line), folders, [(path, 1 if folder else 0)])


def steps():
    """The functions of tests/e2e/programs/steps.c."""
    return [f"step_{n:02o}" for n in range(64)]


def lines_of(places):
    """Of steps.c: for each function another (path, folder). All at line 3."""
    folders = sorted({folder for _, folder in places if folder})
    numbers = {folder: n for n, folder in enumerate(folders, 1)}
    files = [(path, numbers.get(folder, 0)) for path, folder in places]
    rows = "".join(
        f" .byte 0,9,2\n .quad {step}\n .byte 4\n{uleb(n)} .byte 3\n .sleb128 {2 if n == 1 else 0}\n .byte 1\n"
        for n, (step, _) in enumerate(zip(steps(), places), 1)
    )
    return line_program(rows + f" .byte 0,9,2\n .quad {HI}\n .byte 0,1,1\n", folders, files)


def unit(
    entries, lines=None, name="unit.c", comp_dir="/src", version=4, length=None, abbrev="abbrevs"
):
    """entries: text of the entries below the unit's own."""
    lines = lines if lines is not None else line_of(name)
    length = length if length is not None else "info_end-info_start"
    return (
        f"{abbreviations()}{lines}"
        ' .section .debug_info,"",@progbits\n'
        f" .long {length}\ninfo_start:\n .short {version}\n .long {abbrev}\n .byte 8\n"
        f"unit_entry:\n{uleb(1)}{text(name)}{text(comp_dir)} .long lines\n{addresses()}"
        f"{entries} .byte 0\ninfo_end:\n"
    )


# ---- the corpus ----


def inlined(origin, children="", file=1, line=1):
    return (
        uleb(4)
        + f" .long {origin}\n"
        + addresses()
        + uleb(file)
        + uleb(line)
        + children
        + " .byte 0\n"
    )


def labelled(label, entry):
    return f"{label}:\n{entry}"


def by_origin(label, origin):
    return labelled(label, uleb(3) + f" .long {origin}\n" + addresses())


def cycles():
    """Names that are to be found where they are asked for."""
    self_origin = by_origin("a", "a")
    pair = labelled("a", uleb(6) + " .long b\n .byte 1\n") + labelled(
        "b", uleb(6) + " .long a\n .byte 1\n"
    )
    ring = "".join(
        labelled(f"r{n}", uleb(6) + f" .long r{(n + 1) % 500}\n .byte 1\n") for n in range(500)
    )
    return {
        "origin-of-itself": unit(self_origin),
        "origins-of-each-other": unit(pair + by_origin("f", "a")),
        "ring-of-origins": unit(ring + by_origin("f", "r0")),
        "specification-of-itself": unit(labelled("a", uleb(9) + " .long a\n" + addresses())),
        "origin-far-outside": unit(by_origin("a", "0x7fffffff")),
        "origin-is-the-unit": unit(by_origin("a", "unit_entry")),
        "inlined-into-itself": unit(function(children=labelled("x", inlined("x")))),
        "imports-itself": unit(uleb(7) + " .long unit_entry\n" + function()),
        "imports-nothing": unit(uleb(7) + " .long 0xfffffff0\n" + function()),
    }


def depths():
    block = uleb(8) + addresses()
    deep = block * 20000 + " .byte 0\n" * 20000
    calls = labelled("a", uleb(5) + text("small") + " .byte 1\n")
    nest = "".join(uleb(4) + " .long a\n" + addresses() + uleb(1) + uleb(n) for n in range(3000))
    spaces = "".join(uleb(12) + text("n") for _ in range(5000))
    return {
        "blocks-20000-deep": unit(function(children=deep)),
        "calls-3000-deep": unit(calls + function(children=nest + " .byte 0\n" * 3000)),
        "names-5000-deep": unit(spaces + function() + " .byte 0\n" * 5000),
        "not-ended": unit(uleb(2) + text("open") + addresses() + block * 5000),
    }


def lines():
    forever = " .byte 0,9,2\n .quad _init\n" + " .rept 2000000\n .byte 0x20\n .endr\n"
    advance = (
        " .byte 0,9,2\n .quad _init\n .byte 2\n .uleb128 0xffffffffffffffff\n .byte 1\n" * 1000
    )
    header = "lines_end-lines_start"
    many = [(f"f{n}.c", 0) for n in range(20000)]
    return {
        "two-million-rows": unit(function(), line_program(forever, files=[("a.c", 0)])),
        "addresses-around": unit(function(), line_program(advance, files=[("a.c", 0)])),
        "file-of-no-number": unit(function(), line_program(row(1, file=0xFFFFFFFF), files=[("a.c", 0)])),
        "folder-of-no-number": unit(function(), line_program(row(1), files=[("a.c", 0xFFFFFF)])),
        "line-beyond-all": unit(function(), line_program(row(0x7FFFFFFFFFFF), files=[("a.c", 0)])),
        "lines-longer-than-all": unit(function(), line_of("a.c").replace(header, "0x7fffffff")),
        "twenty-thousand-files": unit(function(), line_program(row(1, file=19999), files=many)),
        "no-range-of-lines": unit(function(), line_of("a.c").replace(" .byte 1,1,1,-5,14,13", " .byte 0,0,1,0,0,255")),
        "lines-of-version-99": unit(function(), line_program(row(1), files=[("a.c", 0)], version=99)),
    }  # fmt: skip


def headers():
    return {
        "unit-longer-than-all": unit(function(), length="0x7fffffff"),
        "unit-of-no-length": unit(function(), length="0"),
        "unit-of-64-bits": unit(function(), length="0xffffffff"),
        "unit-of-version-99": unit(function(), version=99),
        "no-abbreviations-there": unit(function(), abbrev="0x7ffffff0"),
        "number-of-no-abbreviation": unit(uleb(0xFFFFFFFF) + function()),
        "number-that-never-ends": unit(" .rept 100000\n .byte 0xff\n .endr\n" + function()),
        "string-far-outside": unit(uleb(10) + " .long 0x7ffffff0\n" + addresses()),
        "string-in-no-file": unit(uleb(11) + " .long 0x10\n" + addresses()),
        "ranges-far-outside": unit(uleb(13) + f" .quad {LO}\n .long 0x7ffffff0\n" + text("r")),
        "ends-before-it-begins": unit(function(low=HI, high=LO)),
        "a-hundred-thousand-functions": unit("".join(function(f"f{n}") for n in range(20000))),
    }


NAMES = {
    "escapes": "\x1b[31mred\x1b]0;title\x07\x1b[2J",
    "controls": "\x01\x02\r\n\t\x7f\u0085\u009b31m",
    "right-to-left": "\u202egnp.exe\u202c\u2066x\u2069",
    "markup": "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;",
    "not-utf8": b"\xff\xfe\xc3\x28\xed\xa0\x80\xf8\x88",
    "a-mib": "m" * (1 << 20),
    "mangled-without-end": "_Z" + "N1a" * 20000,
    "mangled-bomb": "_Z" + "1fI" * 3000,
    "mangled-rust": "_RNvC" + "6_123" * 3000,
    "empty": "",
    "json": '","method":"x"},{"a":"',
    "markdown": "`[x](javascript:alert(1))` ${jndi:ldap://x} {{7*7}} %n%s",
}


def names():
    found = {}
    for key, name in NAMES.items():
        short = name if len(name) < 4096 else name[:4000]
        found["name-" + key] = unit(
            function(name), line_of(short or "x", folder=short), short, short
        )
    return found


def corpus():
    """{name: assembler text}."""
    return {
        "nothing-wrong": unit(function(), line_of("plain.c", 7)),
        **cycles(),
        **depths(),
        **lines(),
        **headers(),
        **names(),
    }
