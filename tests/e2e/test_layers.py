"""Who includes whom in src: the table of docs/design.md, "Parts and layers", checked.

Only the folders, the quoted includes of our own files and the angle includes of other libraries
are looked at. The checker is tried on a made-up bad tree first: it must find what is bad there.
"""

import os
import re
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

BELOW_AGENT = (
    "base", "spool", "trace", "record", "unwind", "item", "symbol", "filter", "sampling", "sink",
    "store", "http",
)

# Folder: the folders it may include besides itself, and the libraries it may name.
LAYERS = {
    "base": ((), ()),
    "spool": (("base",), ()),
    "trace": (("base",), ()),
    "record": (("base", "trace"), ()),
    "unwind": (("base",), ("libunwind",)),  # its types; the library is opened at run time
    "item": (("base", "trace"), ("cjson",)),
    "capture": (("base", "spool", "trace", "record", "unwind", "item"), ("libunwind",)),
    "symbol": (("base", "record", "unwind"), ("libunwind", "libdw", "libiberty", "liblzma", "libzstd")),
    "filter": (("base", "trace", "item", "sink"), ()),
    "sampling": (("base",), ("cjson",)),
    "sink": (("base", "trace", "item"), ("cjson", "openssl", "zlib")),
    "store": (("base", "item"), ("sqlite",)),
    "agent": (
        BELOW_AGENT,
        ("libevent", "curl", "libcyaml", "systemd", "zlib", "pcre2", "openssl", "cjson"),
    ),
    "http": (("base",), ("libevent", "openssl")),
    "web": (("base", "trace", "http", "item", "store", "filter"), ()),
    "cli": ((*BELOW_AGENT, "agent", "web"), ("cjson", "sqlite", "curl")),
    "tools": ((*BELOW_AGENT,), ()),
    "dist": ((), ()),
}
MAINS = {"towbard.c": ("agent", "web", "symbol"), "towbar.c": ("cli",)}
# Files with tighter rules than their folder: the library links them.
LINKED = dict.fromkeys(
    ("item/write.c", "item/write.h", "item/write_trace.c", "item/write_trace.h"), ()
)

LIBRARIES = {
    "libunwind": r"libunwind.*\.h",
    "libdw": r"(elfutils/.*|dwarf|libelf|gelf|elf)\.h",
    "libiberty": r"(libiberty/)?(demangle|libiberty)\.h",
    "liblzma": r"lzma(/.*)?\.h",
    "libzstd": r"zstd\.h",
    "cjson": r"cjson/.*\.h",
    "openssl": r"openssl/.*\.h",
    "sqlite": r"sqlite3\.h",
    "libevent": r"event2?/.*\.h|event\.h",
    "curl": r"curl/.*\.h",
    "libcyaml": r"cyaml/.*\.h|yaml\.h",
    "systemd": r"systemd/.*\.h",
    "zlib": r"zlib\.h",
    "pcre2": r"pcre2.*\.h",
}
LIBC = re.compile(
    r"(arpa|asm|linux|net|netinet|sys|bits)/.*\.h|"
    r"(aio|alloca|assert|byteswap|ctype|dirent|dlfcn|elf|endian|err|errno|execinfo|fcntl|features|"
    r"fnmatch|ftw|getopt|glob|grp|ifaddrs|inttypes|libgen|limits|link|locale|malloc|math|mntent|"
    r"netdb|poll|pthread|pty|pwd|regex|sched|search|semaphore|setjmp|signal|spawn|stdalign|stdarg|"
    r"stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|syscall|syslog|"
    r"termios|threads|time|ucontext|uchar|unistd|utime|utmpx|wait|wchar|wctype|cpuid|cet|"
    r"nmmintrin|immintrin|x86intrin|arm_acle)\.h"
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def files_of(src):
    for folder, _, names in sorted(os.walk(src)):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                yield os.path.relpath(os.path.join(folder, name), src)


def includes_of(src, path):
    with open(os.path.join(src, path), encoding="utf-8") as file:
        return INCLUDE.findall(file.read())


def check_quoted(src, path, allowed, target):
    folder = target.split("/")[0]
    if folder == "towbar":  # The public API: a leaf that includes nothing of ours.
        found = os.path.exists(os.path.join(src, "..", "include", target))
        return None if found else f'{path}: there is no "{target}"'
    if "/" not in target or ".." in target.split("/"):
        return f'{path}: "{target}" must be written as "folder/file.h"'
    if not os.path.exists(os.path.join(src, target)):
        return f'{path}: there is no "{target}"'
    if folder not in allowed:
        return f"{path}: must not include {target}"
    return None


def check_angle(path, libraries, target):
    if any(re.fullmatch(LIBRARIES[name], target) for name in libraries):
        return None
    if LIBC.fullmatch(target) or target.startswith("towbar/"):
        return None
    return f"{path}: must not include <{target}>"


def check_file(src, path):
    folder = path.split("/")[0]
    if "/" not in path:
        if path not in MAINS:
            return [f"{path}: only the two mains stand at the top of src"]
        allowed, libraries = MAINS[path], ()
    elif folder not in LAYERS:
        return [f"{path}: the folder is not in the table"]
    else:
        allowed, libraries = LAYERS[folder]
        allowed = (*allowed, folder)
    libraries = LINKED.get(path, libraries)
    found = []
    for quoted, angle in includes_of(src, path):
        if quoted:
            found.append(check_quoted(src, path, allowed, quoted))
        else:
            found.append(check_angle(path, libraries, angle))
    return [text for text in found if text]


def cycles_of(src):
    """Cycles among the headers, each as the way around."""
    graph = {
        path: [quoted for quoted, _ in includes_of(src, path) if quoted] for path in files_of(src)
    }
    found, done = [], set()

    def walk(path, way):
        if path in way:
            found.append(" > ".join([*way[way.index(path) :], path]))
        elif path not in done:
            for target in graph.get(path, ()):
                walk(target, [*way, path])
            done.add(path)

    for path in graph:
        walk(path, [])
    return found


def check_tree(src):
    found = [f"cycle: {way}" for way in cycles_of(src)]
    for path in files_of(src):
        found.extend(check_file(src, path))
    return found


class LayersTest(unittest.TestCase):
    def test_the_tree_keeps_its_layers(self):
        src = os.path.join(towbar.SOURCE, "src")
        self.assertGreater(len(list(files_of(src))), 40)
        self.assertEqual(check_tree(src), [])

    def test_the_table_has_no_cycle_and_keeps_capture_and_agent_apart(self):
        for folder, (allowed, _) in LAYERS.items():
            self.assertNotIn("capture", allowed, folder)
            for other in allowed:
                self.assertNotIn(folder, LAYERS[other][0], f"{folder} and {other}")

    def test_a_bad_tree_is_found_out(self):
        bad = {
            "base/a.h": '#include "spool/up.h"\n',  # upward, and one half of a cycle
            "spool/up.h": '#include "base/a.h"\n',
            "spool/ok.c": '#include "spool/up.h"\n#include <stdio.h>\n#include <sys/stat.h>\n',
            "store/a.c": '#include <curl/curl.h>\n #  include <sqlite3.h>\n',
            "agent/meet.c": '#include "capture/state.h"\n',
            "capture/state.h": '#include "agent/agent.h"\n',
            "agent/agent.h": "",
            "item/write.c": "#include <cjson/cJSON.h>\n",
            "sink/short.c": '#include "short.h"\n',
            "sink/short.h": "",
            "web/missing.c": '#include "web/none.h"\n',
            "extra/x.c": "",
            "loose.c": "",
        }
        expected = [
            "agent/meet.c: must not include capture/state.h",
            "base/a.h: must not include spool/up.h",
            "capture/state.h: must not include agent/agent.h",
            "cycle: base/a.h > spool/up.h > base/a.h",
            "extra/x.c: the folder is not in the table",
            "item/write.c: must not include <cjson/cJSON.h>",
            "loose.c: only the two mains stand at the top of src",
            'sink/short.c: "short.h" must be written as "folder/file.h"',
            "store/a.c: must not include <curl/curl.h>",
            'web/missing.c: there is no "web/none.h"',
        ]
        with tempfile.TemporaryDirectory() as src:
            for path, text in bad.items():
                os.makedirs(os.path.dirname(os.path.join(src, path)), exist_ok=True)
                with open(os.path.join(src, path), "w", encoding="utf-8") as file:
                    file.write(text)
            self.assertEqual(sorted(check_tree(src)), expected)


if __name__ == "__main__":
    unittest.main()
