"""The corpus of groupings: relayd compiled in many ways, each fault died of, the items that came of it.

    corpus = Corpus(folder)
    corpus.add(Build("gcc", "-O2", pie=True, again=False), ("debug", "stripped"), runs=3)
    for o in corpus.go(): o.bug, o.fault, o.build, o.form, o.run, o.data

1. One program in three forms: as it was linked, with its debug data in a file of its own, and
   stripped; it exports its functions (-rdynamic). The forms have one build ID, so each has an agent's
   state of its own, which ends with it.
2. A rebuild (again) is made in another folder from sources whose lines have moved.
3. Every fault is an item: one that is missing or is there twice is an error.
"""

import collections
import concurrent.futures
import glob
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import towbar  # noqa: E402

SOURCES = os.path.join(HERE, "relayd")
FORMS = ("debug", "separate", "stripped")
LEVELS = ("-O0", "-O2", "-O3", "-Os")
COMPILERS = {"gcc": "g++", "clang": "clang++"}
# The allocator of a sanitizer ends the program in its own way.
NOT_SANITIZED = ("session-free-twice", "request-free-twice", "heap-", "free-", "session-late")
PREPENDED = """/* What moves the lines of a rebuild.
 *
 * And a function that nobody calls. */
__attribute__((unused)) static int moves_lines_{n}(int n)
{{
    int sum = {n};
    for (int i = 0; i < n; i++)
        sum += i * n;
    return sum;
}}

"""


def has(compiler):
    return all(shutil.which(name) for name in (compiler, COMPILERS[compiler]))


class Build(collections.namedtuple("Build", "compiler level pie again")):
    @property
    def name(self):
        return "-".join([self.compiler, self.level.lstrip("-"), "pie" if self.pie else "nopie"]
                        + (["again"] if self.again else []))  # fmt: skip

    def __str__(self):
        return self.name


Occurrence = collections.namedtuple("Occurrence", "bug fault build form run data")


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False,
                          timeout=600, **more)  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def copy_sources(to, is_again):
    os.makedirs(to)
    for n, path in enumerate(sorted(glob.glob(SOURCES + "/*"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if is_again and not path.endswith(".h"):
            text = PREPENDED.format(n=n) + text
        with open(os.path.join(to, os.path.basename(path)), "w", encoding="utf-8") as file:
            file.write(text)


def compile_build(build, folder):
    """relayd and codec.so of a build in FOLDER/debug."""
    source = os.path.join(folder, "rebuilt/elsewhere" if build.again else "src")
    copy_sources(source, build.again)
    out = os.path.join(folder, "debug")
    os.makedirs(out)
    lib = os.path.join(towbar.BUILD, "lib")
    include = os.path.join(towbar.SOURCE, "include")
    flags = ["-g", build.level, "-w", "-D_GNU_SOURCE", "-UNDEBUG", "-fstack-protector-strong",
             "-I", include, "-pthread"]  # fmt: skip
    pie = ["-fPIE"] if build.pie else ["-fno-pie"]
    link = ["-pie"] if build.pie else ["-no-pie"]
    if towbar.SANITIZE:
        link.append(f"-fsanitize={towbar.SANITIZE}")
    c, cxx = build.compiler, COMPILERS[build.compiler]
    parts = sorted(set(os.path.basename(path) for path in glob.glob(source + "/*.c")) - {"plugin.c"})
    run([c, *flags, *pie, "-std=gnu11", "-c", *parts], cwd=source)
    run([cxx, *flags, *pie, "-std=c++17", "-c", "metrics.cc"], cwd=source)
    run([cxx, *link, "-rdynamic", "-pthread", *sorted(glob.glob(source + "/*.o")), "-o",
         out + "/relayd", "-L", lib, "-ltowbar", f"-Wl,-rpath,{lib}", "-ldl"])  # fmt: skip
    run([c, *flags, "-fPIC", "-shared", "-std=gnu11", "plugin.c", "-o", out + "/codec.so"],
        cwd=source)  # fmt: skip
    return build


def make_form(folder, form):
    """FOLDER/form from FOLDER/debug."""
    out = os.path.join(folder, form)
    if form == "debug" or os.path.isdir(out):
        return out
    os.makedirs(out)
    for name in ("relayd", "codec.so"):
        source = os.path.join(folder, "debug", name)
        if form == "stripped":
            run(["strip", source, "-o", os.path.join(out, name)])
            continue
        debug = name + ".debug"
        run(["objcopy", "--only-keep-debug", source, debug], cwd=out)
        run(["objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", source, name], cwd=out)
    return out


class Corpus:
    def __init__(self, folder):
        self.folder = folder
        self.wanted = []

    def add(self, build, forms, runs):
        self.wanted.append((build, tuple(forms), runs))

    def at(self, build):
        return os.path.join(self.folder, build.name)

    def program(self, build):
        return os.path.join(self.at(build), "debug", "relayd")

    def go(self):
        """All occurrences."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda w: compile_build(w[0], self.at(w[0])), self.wanted))
            self.bugs = self.read_list()
            return [o for found in pool.map(self.die, self.wanted) for o in found]

    def read_list(self):
        lines = run([self.program(self.wanted[0][0]), "--list"], env=self.env("")).splitlines()
        bugs = dict(line.split() for line in lines)
        if towbar.SANITIZE:
            bugs = {f: bug for f, bug in bugs.items() if not f.startswith(NOT_SANITIZED)}
        return bugs

    def env(self, spool):
        env = towbar.clean_environment(self.folder)
        env.update(TOWBAR_SPOOL=spool, TOWBAR_ENVIRONMENT="corpus",
                   ASAN_OPTIONS=towbar.LEAVE_SIGNALS + ":detect_leaks=0",
                   UBSAN_OPTIONS=towbar.LEAVE_SIGNALS, TSAN_OPTIONS=towbar.LEAVE_SIGNALS)  # fmt: skip
        return env

    def die(self, wanted):
        """The occurrences of a build, form by form: a spool of all would be over its limit."""
        build, forms, runs = wanted
        number = str(self.wanted.index(wanted))
        found = []
        for form in forms:
            program = os.path.join(make_form(self.at(build), form), "relayd")
            spool, state = (os.path.join(self.at(build), f"{what}-{form}") for what in ("spool", "state"))
            run([program, number, str(runs), *self.bugs], env=self.env(spool))
            found += self.drain(spool, state, form)
            shutil.rmtree(spool)
            shutil.rmtree(state)
        due = sorted((form, f, n) for form in forms for f in self.bugs for n in range(runs))
        wrong = collections.Counter(due)
        wrong.subtract((o.form, o.fault, o.run) for o in found)
        if any(wrong.values()):
            raise RuntimeError(f"{build}: {[(*k, n) for k, n in wrong.items() if n]}")
        return found

    def drain(self, spool, state, form):
        env = towbar.clean_environment(self.folder)
        run([towbar.binary("towbard"), "--once", "--spool", spool, "--state-dir", state], env=env)
        text = run([towbar.binary("towbar"), "occurrences", "--json", "--state-dir", state], env=env)
        return [self.occurrence(json.loads(line), form) for line in text.split("\n") if line]

    def occurrence(self, data, form):
        build, fault, n = data["code_version"].split(".")
        return Occurrence(self.bugs[fault], fault, self.wanted[int(build)][0], form, int(n), data)
